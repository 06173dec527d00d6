"""`mlk orphans`: what jobs left in a cluster that are gone themselves."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time

from .. import text
from ..model.api import Orphan
from .arguments import chosen


def orphans(options: argparse.Namespace) -> int:
    """`mlk orphans`: lists them, and with --remove removes them."""
    found = asyncio.run(_find(options))
    if not found:
        print("No orphans: every object of ours belongs to a job.", file=sys.stderr)
        return 0
    now = time.time()
    rows = [("KIND", "NAME", "JOB", "AGE")]
    rows += [(one.kind, one.name, one.job, text.age(now - one.created_at) if one.created_at else "") for one in found]
    print("\n".join(text.plain(line) for line in text.table(rows)))
    if options.remove:
        print(f"Removed {len(found)}.", file=sys.stderr)
    else:
        print("Remove them with `mlk orphans --remove`.", file=sys.stderr)
    return 0


async def _find(options: argparse.Namespace) -> list[Orphan]:
    backends = chosen(options)
    try:
        return await (backends.remove_orphans() if options.remove else backends.orphans())
    finally:
        await backends.close()
