"""Watch streams of a real Kubernetes 1.36 with JobSet and Kueue, one file a story: `data/recordings/NAME.jsonl`.

A line is one event: `{"t": seconds, "resource": "jobs|pods|events|jobsets|workloads", "type": "ADDED|MODIFIED|DELETED",
"uid": whose, "change": what}`. The change of an object's first event is the whole object; that of a later one is the
merge patch (RFC 7386) from the event before, so that a line shows what happened and the files stay small.

`python -m tests.kube.recordings FILE…` takes recordings in, whose lines hold whole objects as `"object"` in place of
`uid` and `change`.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from .patching import merge
from .store import Object, clone

FOLDER = Path(__file__).parent / "data" / "recordings"
Entry = dict[str, Any]


def names() -> list[str]:
    """All stories."""
    return sorted(path.stem for path in FOLDER.glob("*.jsonl"))


def entries(name: str) -> Iterator[Entry]:
    """A story's events: `t`, `resource`, `type`, and the whole `object` as it was then."""
    objects: dict[str, Object] = {}
    for line in (FOLDER / f"{name}.jsonl").read_text(encoding="utf-8").splitlines():
        told = json.loads(line)
        found = clone(objects.get(told["uid"], {}))
        if found:
            merge(found, told["change"])
        else:
            found = told["change"]
        objects[told["uid"]] = found
        yield {**{key: told[key] for key in ("t", "resource", "type")}, "object": clone(found)}


def written(told: Iterable[Entry]) -> str:
    """A recording as it is kept."""
    return "".join(json.dumps(entry, separators=(",", ":")) + "\n" for entry in kept(told))


def kept(told: Iterable[Entry]) -> Iterator[Entry]:
    """Events as they are kept. Raises ValueError where a merge patch cannot say what changed."""
    objects: dict[str, Object] = {}
    for entry in told:
        found = entry["object"]
        found["metadata"].pop("managedFields", None)
        uid = found["metadata"]["uid"]
        change = patch(objects[uid], found) if uid in objects else found
        if uid in objects:
            again = clone(objects[uid])
            merge(again, change)
            if again != found:
                raise ValueError(f"a field of {found['kind']} {found['metadata']['name']} became null")
        objects[uid] = found
        yield {**{key: entry[key] for key in ("t", "resource", "type")}, "uid": uid, "change": change}


def patch(before: Object, after: Object) -> Object:
    """The merge patch from one object to another."""
    found: Object = {name: None for name in sorted(before) if name not in after}
    for name, value in sorted(after.items()):
        old = before.get(name)
        if name not in before or old != value:
            found[name] = patch(old, value) if isinstance(value, dict) and isinstance(old, dict) else value
    return found


def main(arguments: list[str] | None = None) -> int:
    """Take recordings in, and say how large they are."""
    parser = argparse.ArgumentParser(prog="python -m tests.kube.recordings", description=__doc__)
    parser.add_argument("file", nargs="+", type=Path)
    for path in parser.parse_args(arguments).file:
        text = written(map(json.loads, path.read_text(encoding="utf-8").splitlines()))
        (FOLDER / path.name).write_text(text, encoding="utf-8")
        print(f"{path.name}: {len(text.splitlines())} events, {len(text)} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
