"""docs/magics.md keeps up with the magics: nothing undocumented, nothing that no longer exists."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import pytest

from mlk_jupyter.magics import parsing
from mlk_jupyter.magics.registration import _MAGICS
from mlk_jupyter.options import add_cluster_options, add_where

DOCS = Path(__file__).parents[2] / "docs"
TEXT = (DOCS / "magics.md").read_text(encoding="utf-8")
CLUSTER = (DOCS / "cli.md").read_text(encoding="utf-8").split("## What is asked of a cluster")[1]


def dests(add: object) -> set[str]:
    parser = argparse.ArgumentParser(add_help=False)
    add(parser)  # type: ignore[operator]
    return {action.dest for action in parser._actions}


OF_CLUSTER, OF_PLACE = dests(add_cluster_options), dests(add_where)


def section(magic: str) -> str:
    sign = "%%" if magic in ("mlk", "k8s_train") else "%"
    found = re.search(rf"^## [^\n]*`{sign}{magic}\b.*?(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL)
    assert found is not None, f"docs/magics.md has no section for {sign}{magic}"
    return found[0]


@pytest.mark.parametrize("magic", sorted(parsing.PARSERS))
def test_each_magic_and_each_of_its_options_is_documented_in_the_words_of_its_help(magic: str) -> None:
    parser, text = parsing.PARSERS[magic](), section(magic)
    assert parser.description is not None and parser.description.replace("%%", "%") in text.replace("%%", "%")
    for action in parser._actions:
        if action.option_strings:
            shown = " ".join(part for part in (action.option_strings[0], action.metavar) if isinstance(part, str))
            where = CLUSTER if action.dest in OF_CLUSTER else TEXT if action.dest in OF_PLACE else text
            assert action.help is not None
            assert f"| `{shown}` | {action.help.replace('%%', '%')} |" in where


@pytest.mark.parametrize("magic", sorted(parsing.PARSERS))
def test_no_option_is_documented_that_the_magic_does_not_have(magic: str) -> None:
    assert set(re.findall(r"^\| `(--?[a-z-]+)", section(magic), re.MULTILINE)) <= set(
        parsing.PARSERS[magic]().options()
    )


def test_every_magic_has_a_parser_and_a_section() -> None:
    headings = "".join(re.findall(r"^## .*\n", TEXT, re.MULTILINE))
    assert {name for name, *_ in _MAGICS} == set(parsing.PARSERS) == set(re.findall(r"`%+(\w+)", headings))


def test_the_limits_in_the_text_are_those_of_the_code() -> None:
    from mlk_jupyter.worker.values import PULL_LIMIT, PUSH_LIMIT

    assert f"{PUSH_LIMIT // 2**20} MiB" in TEXT and f"{PULL_LIMIT // 2**20} MiB" in TEXT
