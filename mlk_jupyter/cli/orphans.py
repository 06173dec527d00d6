"""`mlk orphans`: what jobs left in a cluster that are gone themselves."""

from __future__ import annotations

import argparse
import asyncio
import time

from .. import text
from ..model.api import Orphan
from .arguments import chosen
from .printing import give, say


def orphans(options: argparse.Namespace) -> int:
    """`mlk orphans`: lists them, and with --remove removes them."""
    found = asyncio.run(_find(options))
    if not found:
        say("No orphans: every object of ours belongs to a job.")
        return 0
    now = time.time()
    rows = [("KIND", "NAME", "JOB", "AGE")]
    rows += [(one.kind, one.name, one.job, text.age(now - one.created_at) if one.created_at else "") for one in found]
    give(*text.table(rows))
    if options.remove:
        say(f"Removed {len(found)}.")
    else:
        say("Remove them with `mlk orphans --remove`.")
    return 0


async def _find(options: argparse.Namespace) -> list[Orphan]:
    backends = chosen(options)
    try:
        return await (backends.remove_orphans() if options.remove else backends.orphans())
    finally:
        await backends.close()
