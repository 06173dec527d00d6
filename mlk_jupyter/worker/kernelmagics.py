"""The magics that a kernel adds to IPython's. Pages are shown nowhere, as under nbconvert."""

from __future__ import annotations

from IPython.core import page
from IPython.core.error import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    # IPython's own types are partial, and differ from version to version.
    Javascript: Any
    Magics: Any
    display: Any
    line_magic: Any
    magics_class: Any
else:
    from IPython.core.magic import Magics, line_magic, magics_class
    from IPython.display import Javascript, display


@magics_class
class KernelMagics(Magics):  # type: ignore[misc]
    """Those of ipykernel that mean something where nobody can connect."""

    @line_magic  # type: ignore[untyped-decorator]
    def autosave(self, line: str) -> None:
        """Asks the page to save itself so often, in seconds."""
        try:
            interval = int(line)
        except ValueError as error:
            raise UsageError(f"%autosave requires an integer, got {line!r}") from error
        script = f"IPython.notebook.set_autosave_interval({1000 * interval})"
        display(Javascript(script), include=["application/javascript"])
        print(f"Autosaving every {interval} seconds" if interval else "Autosave disabled")

    @line_magic  # type: ignore[untyped-decorator]
    def clear(self, line: str) -> None:
        """Clears the terminal."""
        self.shell.system("clear")

    @line_magic  # type: ignore[untyped-decorator]
    def less(self, line: str) -> None:
        """Shows a file in the pager."""
        if not line:
            raise UsageError("Missing filename.")
        with open(line) as file:
            text = file.read()
        page.page(text)

    @line_magic  # type: ignore[untyped-decorator]
    def more(self, line: str) -> None:
        """Shows a file in the pager."""
        self.less(line)

    @line_magic  # type: ignore[untyped-decorator]
    def man(self, line: str) -> None:
        """Shows a page of the manual in the pager."""
        page.page(self.shell.getoutput(f"man {line} | col -b", split=False))
