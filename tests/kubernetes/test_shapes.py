"""The tables that the tests' API server is made from say what servers say of their kinds."""

from __future__ import annotations

from typing import Any

import pytest
from apiclient import Api
from kube import distil, recordings, shapes
from kube.cluster import FakeCluster
from kube.kinds import DATA, Catalog, definition_of, table

from mlk_jupyter.backends.kubernetes import resources

TABLES = sorted(path.stem for path in DATA.glob("*.txt"))


def test_there_is_a_table_of_each_kind_that_is_asked_for() -> None:
    assert set(TABLES) == {distil.BUILT_IN, *distil.CUSTOM}
    catalog = Catalog(custom=tuple(distil.CUSTOM))
    spoken = [each for each in vars(resources).values() if isinstance(each, resources.Resource)]
    assert len(spoken) > 15
    assert [each.full_name for each in spoken if catalog.find(each.group, each.version, each.plural) is None] == []


@pytest.mark.parametrize("name", TABLES)
def test_a_table_is_read_as_it_was_written(name: str) -> None:
    text = (DATA / f"{name}.txt").read_text(encoding="utf-8")
    assert shapes.written(shapes.read(text)) == text


@pytest.mark.parametrize("name", sorted(distil.CUSTOM))
def test_a_definition_distilled_again_gives_the_same_table(name: str) -> None:
    assert distil.of_definition(definition_of(name)) == table(name)


def test_what_the_tests_server_says_of_itself_gives_the_tables_it_was_made_from() -> None:
    with FakeCluster(controllers=False, nodes=(), crds=sorted(distil.CUSTOM)) as cluster:
        found = dict(distil.of_server(lambda path: cluster.rest.discovery.answer(path.split("?")[0]) or _definitions()))
    assert sorted(found) == TABLES
    for name, each in found.items():
        assert shapes.written(each) == (DATA / f"{name}.txt").read_text(encoding="utf-8")


def _definitions() -> dict[str, Any]:
    return {"items": [definition_of(name) for name in distil.CUSTOM]}


@pytest.mark.apiserver
def test_the_tables_say_nothing_that_the_server_does_not(api: Api) -> None:
    found, ours = dict(distil.of_server(api.get))[distil.BUILT_IN], table(distil.BUILT_IN)
    served = {(kind.group, kind.version, kind.plural): kind for kind in found.kinds}
    for kind in ours.kinds:
        there = served[kind.group, kind.version, kind.plural]
        assert (there.kind, there.namespaced) == (kind.kind, kind.namespaced)
        assert set(kind.verbs) <= set(there.verbs) and set(kind.parts) <= set(there.parts)
    for name, schema in ours.definitions.items():
        there = found.definitions[name]
        assert schema.get("required", []) == there.get("required", []), name
        for field, inner in schema.get("properties", {}).items():
            assert shapes.line(inner) == shapes.line(there["properties"][field]), f"{name}.{field}"


def test_a_definition_becomes_a_table_in_which_nothing_stands_twice() -> None:
    port = {"type": "object", "description": "A port.", "required": ["number"],
            "properties": {"number": {"type": "integer", "format": "int32", "minimum": 1},
                           "kind": {"type": "string", "enum": ["TCP", "", "a b|c"], "default": "TCP"}}}  # fmt: skip
    ports = {"type": "array", "items": port, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["number"]}
    anything = {"x-kubernetes-preserve-unknown-fields": True}
    size = {"anyOf": [{"type": "integer"}, {"type": "string"}], "x-kubernetes-int-or-string": True, "pattern": "^1"}
    sizes = {"type": "object", "additionalProperties": size}
    spec = {"type": "object", "properties": {"ports": ports, "main": port, "sizes": sizes, "more": anything}}
    version = {"name": "v1", "served": True, "storage": True, "subresources": {"status": {}}, "deprecated": True,
               "deprecationWarning": "use \"v2\" of it", "schema": {"openAPIV3Schema": spec}}  # fmt: skip
    names = {"kind": "Boat", "plural": "boats", "shortNames": ["b"]}
    definition = {"spec": {"group": "sea.org", "scope": "Namespaced", "names": names, "versions": [version]}}
    made = distil.of_definition(definition)
    assert shapes.written(made).splitlines() == [
        "kind Boat sea.org/v1 boats namespaced schema=Boat.v1 parts=status short=b stored "
        'deprecated="use \\"v2\\" of it"',
        "def Boat.v1 object",
        " main Main",
        " more any preserve",
        " ports [number]Main",
        " sizes {}int-or-string",
        "def Main object",
        ' kind string enum=""|TCP|"a b\\u007cc" default=TCP',
        " number! int32 minimum=1",
    ]
    assert shapes.written(shapes.read(shapes.written(made))) == shapes.written(made)


@pytest.mark.parametrize("line", ["def A", " field string", "kind A v1", "def A object what=1", "nonsense"])
def test_a_line_that_says_nothing_known_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match="line 1 is no line of a table"):
        shapes.read(line)


def test_a_recording_is_kept_as_changes_and_told_as_objects() -> None:
    def event(kind: str, **status: Any) -> dict[str, Any]:
        meta = {"uid": "1", "name": "train", "managedFields": [{}]}
        return {
            "t": 0.1,
            "resource": "pods",
            "type": kind,
            "object": {"kind": "Pod", "metadata": meta, "status": status},
        }

    told = [event("ADDED", phase="Pending", reason="x"), event("MODIFIED", phase="Running"), event("DELETED")]
    kept = list(recordings.kept(told))
    assert [entry["change"].get("status") for entry in kept[1:]] == [
        {"reason": None, "phase": "Running"},
        {"phase": None},
    ]
    with pytest.raises(ValueError, match="became null"):
        list(recordings.kept([event("ADDED", phase="Pending"), event("MODIFIED", phase=None)]))


@pytest.mark.parametrize("name", recordings.names())
def test_a_recording_taken_in_again_is_the_same(name: str) -> None:
    told = list(recordings.entries(name))
    assert told and all("managedFields" not in entry["object"]["metadata"] for entry in told)
    again = recordings.written(told)
    assert again == (recordings.FOLDER / f"{name}.jsonl").read_text(encoding="utf-8")
