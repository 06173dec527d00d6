"""Manifests as YAML for `kubectl apply`. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import yaml

from ....text import escaped
from ..resources import Manifest

# Readers disagree on what a bare word is: `y`, `1e3` and `0o7` are strings to one and a truth or a number to another.
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9./_-]*")
_NOT_STRINGS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf"})


class _Dumper(yaml.SafeDumper):
    """Keeps the order, shares no nodes, and quotes every string that somebody could take for something else."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _string(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    style = None
    if "\n" in text and text.isascii():
        style = "|"  # where it cannot be written so, it is quoted
    elif not _PLAIN.fullmatch(text) or text.lower() in _NOT_STRINGS:
        style = '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _string)


def as_yaml(manifests: Sequence[Manifest]) -> str:
    """The objects in the order to create them, as one YAML document each."""
    first = manifests[0]
    kind, meta = first["kind"], first["metadata"]
    head = (
        f"# {kind} {meta['name']} in namespace {meta['namespace']}, and what belongs to it.\n"
        "# For `kubectl apply -f FILE`. Applied so, no object owns another: delete them with the same file.\n"
    )
    return head + documents(manifests)


def documents(manifests: Sequence[Manifest]) -> str:
    """The objects alone, one YAML document each."""
    text: str = yaml.dump_all(
        manifests, Dumper=_Dumper, sort_keys=False, explicit_start=True, allow_unicode=True, width=float("inf")
    )
    return escaped(text, lambda char: f"\\U{ord(char):08X}")
