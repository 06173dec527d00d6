"""`mlk`: the command line. Data goes to stdout, words to stderr.

Exit codes: 0 done (for `mlk run`: the job succeeded), 1 the job did not succeed, 2 refused or misused,
130 interrupted while following; the job was left running.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from ..options import parted
from .parser import build_parser

REFUSED = 2
INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and gives its exit code. A failure that has words never shows a traceback."""
    parser = build_parser()
    words, of_script = parted(sys.argv[1:] if arguments is None else arguments)
    options = parser.parse_args(words)
    options.arguments = of_script
    if of_script and options.command not in ("run", "render"):
        parser.error(f"`mlk {options.command}` takes nothing behind --")
    from ..errors import MlkError  # from here on a command runs; before, `mlk --help` needs none of it
    from .commands import COMMANDS
    from .printing import say

    try:
        return COMMANDS[options.command](options)
    except MlkError as error:
        say(f"{error.title}: {error.detail}\n{error.hint}")
        return REFUSED
    except KeyboardInterrupt:
        say("Interrupted.")
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of a pipe (`mlk logs … | head`) left. Python would complain again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
