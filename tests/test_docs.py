"""The documents keep up with the code: nothing undocumented, nothing that no longer exists, no dead links."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import pytest

from mlk_jupyter.cli.commands import COMMANDS
from mlk_jupyter.cli.parser import build_parser
from mlk_jupyter.options import add_cluster_options, add_spec, add_where
from mlk_jupyter.server.registry import routes

ROOT = Path(__file__).parents[1]
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
CLI = (ROOT / "docs/cli.md").read_text(encoding="utf-8")
HOUSE = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")


def subparsers(parser: argparse.ArgumentParser | None = None, name: str = "") -> dict[str, argparse.ArgumentParser]:
    """Each command, and those within one: `jobs`, `idle`, `idle explain`."""
    found = {}
    for action in (parser or build_parser())._actions:
        if isinstance(action, argparse._SubParsersAction):
            for part, within in action.choices.items():
                found |= {f"{name}{part}": within, **subparsers(within, f"{name}{part} ")}
    return found


def shared() -> set[str]:
    """Options that several commands have; they are documented once."""
    parser = argparse.ArgumentParser(add_help=False)
    for add in (add_where, add_cluster_options, add_spec):
        add(parser)
    return {action.dest for action in parser._actions if action.option_strings}


SHARED = shared()


def section(command: str) -> str:
    found = re.search(rf"^## `mlk {command}\b.*?(?=^## |\Z)", CLI, re.MULTILINE | re.DOTALL)
    assert found is not None, f"docs/cli.md has no section for `mlk {command}`"
    return found[0]


@pytest.mark.parametrize("command", sorted(subparsers()))
def test_each_command_and_each_of_its_options_is_documented_in_the_words_of_its_help(command: str) -> None:
    parser, text = subparsers()[command], section(command)
    assert parser.description is not None and parser.description in text
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            assert all(f"`mlk {command} {name}" in CLI for name in action.choices)
        elif not action.option_strings:
            assert str(action.metavar) in text.splitlines()[0]
        elif action.dest != "help":
            shown = " ".join(part for part in (action.option_strings[0], action.metavar) if isinstance(part, str))
            assert f"| `{shown}` | {action.help} |" in (CLI if action.dest in SHARED else text)


@pytest.mark.parametrize("command", sorted(subparsers()))
def test_no_option_is_documented_that_does_not_exist(command: str) -> None:
    known = set(subparsers()[command]._option_string_actions)
    assert set(re.findall(r"^\| `(--[a-z-]+)", section(command), re.MULTILINE)) <= known


def test_every_command_has_what_it_runs() -> None:
    assert set(COMMANDS) == {command for command in subparsers() if " " not in command}


def test_the_table_of_routes_is_the_one_that_the_server_serves() -> None:
    shown = set(re.findall(r"^\| `((?:GET|POST|PUT|DELETE) /mlk\S*)`", HOUSE, re.MULTILINE))
    assert shown == {f"{route.method} {route.path}" for route in routes()}


def test_every_target_of_make_is_explained() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):.*##", makefile, re.MULTILINE)) - {"help", "all", "install"}
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert targets and {target for target in targets if f"`make {target}`" not in text} == set()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_to_a_file_leads_somewhere(document: Path) -> None:
    text = re.sub(r"```.*?```", "", document.read_text(encoding="utf-8"), flags=re.DOTALL)
    targets = [link.split("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]
    assert [target for target in targets if target and not (document.parent / target).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_command_in_the_documents_exists(document: Path) -> None:
    used = re.findall(r"(?:^\$ |`)mlk ([a-z]+)", document.read_text(encoding="utf-8"), re.MULTILINE)
    assert set(used) <= set(subparsers())


def floors(layers: str) -> dict[int, set[str]]:
    """Floor → rooms, of a contract's list of layers."""
    rooms = [set(re.findall(r"\w+", layer)) for layer in re.findall(r'"(.*?)"', layers)]
    return dict(enumerate(reversed(rooms)))


@pytest.mark.parametrize(("contract", "head"), [(0, "room"), (1, "in `backends/kubernetes/`")])
def test_the_floors_of_the_house_are_those_that_lint_holds(contract: int, head: str) -> None:
    layers = re.findall(r"^layers = \[(.*?)\]", (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.M | re.S)
    table = HOUSE[HOUSE.index(f"| floor | {head} |") :].partition("\n\n")[0]
    shown: dict[int, set[str]] = {}
    for floor, names in re.findall(r"^\| (\d+) \| (.*?) \|", table, re.M):
        shown.setdefault(int(floor), set()).update(re.findall(r"`(\w+)`", names))
    assert shown == floors(layers[contract])
