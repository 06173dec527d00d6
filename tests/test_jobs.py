"""The library that every face uses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import jsonschema
import pytest

from mlk_jupyter import library, text
from mlk_jupyter.backends.base import Carriage
from mlk_jupyter.bundle import LIMIT
from mlk_jupyter.bundle.cluster_form import cluster_schema, cluster_ui_schema
from mlk_jupyter.errors import BadInput, JobNotFound
from mlk_jupyter.model import ClusterOptions, JobSpec, JobStatus, JobSummary, Metric, Phase, RankStatus, Reason
from mlk_jupyter.model.api import Level
from mlk_jupyter.model.ids import new_job_id, slug
from mlk_jupyter.record.folder import JobFolder, is_job_id
from mlk_jupyter.record.notebook import NoNotebook

CARRIAGE = Carriage(LIMIT, byte_code=True)
PARAMETERS = """\
lr = 0.1  # learning rate
epochs = 3
shuffle = True
name = "digits"
hidden = (64, 32)
limit = None
"""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


pytestmark = pytest.mark.anyio


@pytest.fixture
def notebook(make_notebook: Any) -> dict[str, Any]:
    return make_notebook((PARAMETERS, ["parameters"]), "print(lr)")


@pytest.fixture
def file(notebook: dict[str, Any], tmp_path: Path) -> Path:
    path = tmp_path / "digits ddp.ipynb"
    path.write_text(json.dumps(notebook))
    return path


async def test_a_notebook_is_read_from_a_file(file: Path) -> None:
    source = await library.read_source(file)
    assert (source.path, source.directory, source.stem, source.script) == (str(file), file.parent, "digits ddp", False)
    assert [parameter.name for parameter in library.parameters(source)][:2] == ["lr", "epochs"]


async def test_a_script_is_read_from_a_file_and_from_text(tmp_path: Path) -> None:
    path = tmp_path / "train.py"
    path.write_bytes(b"\xef\xbb\xbfprint(1)\n")
    read, given = await library.read_source(path), await library.source_of("print(1)\n", "train.py", None)
    assert read.script and given.script and read.notebook == given.notebook and given.directory is None


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("digits_ddp.ipynb", "Did you mean digits ddp.ipynb?"),
        ("", "a folder"),
        ("notes.txt", "neither a notebook nor a script"),
        ("latin.py", "not UTF-8"),
    ],
)
async def test_what_cannot_be_read_is_refused_with_a_way_out(file: Path, name: str, words: str) -> None:
    (file.parent / "notes.txt").write_text("x")
    (file.parent / "latin.py").write_bytes("# \xe9".encode("latin-1"))
    with pytest.raises(BadInput) as refused:
        await library.read_source(file.parent / name)
    assert words in refused.value.detail and refused.value.hint


async def test_the_form_describes_the_spec_and_its_values_fit_it(file: Path) -> None:
    form = await library.form(await library.read_source(file))
    jsonschema.Draft7Validator.check_schema(form.form_schema)
    jsonschema.validate(form.values, form.form_schema)
    assert (
        form.form_schema["properties"].keys()
        == JobSpec.model_fields.keys() - {"cluster", "arguments"}
        == set(form.ui_schema["ui:order"])
    )
    assert all(field["title"] and field["description"] for field in form.form_schema["properties"].values())
    script = file.with_name("train.py")
    script.write_text("lr = 0.1\n")
    of_script = await library.form(await library.read_source(script))
    assert of_script.form_schema["properties"].keys() == JobSpec.model_fields.keys() - {"cluster"}
    assert of_script.values["arguments"] == []
    fields = form.form_schema["properties"]["parameters"]["properties"]
    assert {name: field["type"] for name, field in fields.items()} == {
        "lr": "number", "epochs": "integer", "shuffle": "boolean", "name": "string", "hidden": "string",
        "limit": "string",
    }  # fmt: skip
    assert fields["lr"] == {"title": "lr", "type": "number", "default": 0.1, "description": "learning rate"}
    assert form.values["name"] == "digits ddp" and form.values["parameters"] == {}
    assert library.spec_from(form.values).workers == 1


async def test_the_form_is_filled_in_with_what_the_notebook_says_and_never_with_another_time(
    notebook: dict[str, Any],
) -> None:
    notebook["metadata"]["mlk"] = {"options": {"workers": 4, "parameters": {"lr": 0.5}, "cluster": {"image": "old:1"}}}
    form = await library.form(await library.source_of(notebook, "a.ipynb", None), cluster=True, image="python:3.12")
    assert (form.values["workers"], form.values["parameters"], form.findings) == (1, {}, [])
    assert form.values["cluster"]["image"] == "python:3.12"


async def test_the_form_of_a_cluster_asks_for_all_of_its_options_and_its_values_fit_it(file: Path) -> None:
    form = await library.form(await library.read_source(file), cluster=True, image="python:3.12")
    jsonschema.Draft7Validator.check_schema(form.form_schema)
    jsonschema.validate(form.values, form.form_schema)
    assert "$ref" not in json.dumps(form.form_schema)
    asked, shown = form.form_schema["properties"]["cluster"], form.ui_schema["cluster"]
    groups = [field for group in shown["ui:options"]["groups"] for field in group["fields"]]
    assert asked["properties"].keys() == ClusterOptions.model_fields.keys() == set(groups) == set(shown["ui:order"])
    assert sorted(groups) == sorted(shown["ui:order"]) and "cluster" in form.ui_schema["ui:order"]
    assert all(field["title"] and field["description"] for field in _fields(asked))
    assert form.values["cluster"]["image"] == "python:3.12"
    assert library.spec_from(form.values).cluster == ClusterOptions(image="python:3.12")


def _fields(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every field that a person sees, also inside lists."""
    for inner in [*schema.get("anyOf", []), schema.get("items")]:
        if inner:
            yield from _fields(inner)
    for field in schema.get("properties", {}).values():
        yield field
        yield from _fields(field)


def test_every_choice_of_a_cluster_has_words_in_its_form() -> None:
    asked, shown = cluster_schema()["properties"], cluster_ui_schema()
    for name, field in ClusterOptions.model_fields.items():
        choices = [choice for part in (field.annotation, *get_args(field.annotation)) if get_origin(part) is Literal
                   for choice in get_args(part)]  # fmt: skip
        assert asked[name].get("enum", []) == choices, name
        assert len(shown.get(name, {}).get("ui:enumNames", [])) == len(choices), name


@pytest.mark.parametrize(("path", "words"), [("a.ipynb", "press Add Tag"), ("a.py", 'tags=["parameters"]')])
async def test_what_has_no_parameters_is_told_how_to_have_some(make_notebook: Any, path: str, words: str) -> None:
    source = await library.source_of(make_notebook("x") if path == "a.ipynb" else "x = 1\n", path, None)
    (finding,) = (await library.form(source)).findings
    assert (finding.code, finding.level, finding.field) == ("no_parameters", Level.NOTE, "parameters")
    assert words in finding.text


async def test_values_reach_the_bundle_and_text_for_lists_is_read_as_json(file: Path) -> None:
    source = await library.read_source(file)
    spec = library.spec_from(
        {"name": "x", "notebook": "x", "parameters": {"hidden": "[8]", "limit": "8", "name": "[1]", "lr": 1}}
    )
    bundle = await library.prepare(source, spec, CARRIAGE)
    assert bundle.notebook["cells"][1]["source"] == "# Parameters\nhidden = [8]\nlimit = '8'\nname = '[1]'\nlr = 1.0"
    assert bundle.directory == file.parent


async def test_a_default_that_json_changes_is_left_as_it_is_written(file: Path) -> None:
    source = await library.read_source(file)
    spec = library.spec_from({"name": "x", "notebook": "x", "parameters": {"hidden": [64, 32], "lr": 0.1}})
    assert (await library.prepare(source, spec, CARRIAGE)).notebook["cells"][1]["source"] == "# Parameters\nlr = 0.1"


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [({}, 30), ({"grace_period_s": "2m"}, 120), ({"cluster": {"image": "a", "grace_period_s": 7}}, 7)],
)
def test_the_time_to_end_by_itself_is_the_jobs_wherever_it_runs(asked: dict[str, Any], seconds: int) -> None:
    spec = library.spec_from({"name": "a", "notebook": "a", **asked})
    assert spec.grace_period_s == seconds
    assert JobStatus.of(spec, id="a", backend="local", phase=Phase.QUEUED, created_at=1.0).grace_period_s == seconds


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"notebook": "a"}, "name is missing."),
        ({"name": "a", "notebook": "a", "worker": 2}, "worker is not known. Did you mean 'workers'?"),
        ({"name": "a", "notebook": "a", "workers": 0}, "workers: at least 1."),
        ({"name": "a", "notebook": "a", "time_limit_s": "2 weeks"}, "is not a duration"),
        ({"name": "a", "notebook": "a", "env": {"RANK": "0"}}, "RANK is set by the launcher"),
        ({"name": "a", "notebook": "a", "env": {"A": "x" * 130_000}}, "the value of A is too large"),
        ({"name": "a", "notebook": "a", "env": {f"A{n}": "x" * 90_000 for n in range(12)}}, "too many"),
        ({"name": "a", "notebook": "a", "parameters": {"a": ["x" * 130_000]}}, "bytes are too many"),
        ({"name": "a\x1b]52;c;eA==\x07", "notebook": "a"}, "control characters"),
        ({"name": "a", "notebook": "a", "env": {"A": 1}}, "env.A: text."),
        ([], "The request: names with values."),
    ],
)
def test_a_wrong_spec_is_answered_with_the_field(data: Any, words: str) -> None:
    with pytest.raises(BadInput) as refused:
        library.spec_from(data)
    assert words in refused.value.detail and "pydantic" not in refused.value.detail


class Shelf:
    """A backend of which only the list of jobs is asked."""

    def __init__(self, *names: str) -> None:
        self.all = [
            JobSummary(
                id=new_job_id(name, f"request-{number}"), name=name, notebook="a", backend="shelf",
                phase=Phase.RUNNING, created_at=float(number),
            )
            for number, name in enumerate(names)
        ]  # fmt: skip

    async def jobs(self) -> list[JobSummary]:
        return self.all


async def test_a_job_is_found_by_id_by_name_and_by_the_beginning_of_its_id() -> None:
    shelf: Any = Shelf("digits", "bert", "digits")
    assert (await library.find(shelf, shelf.all[0].id)).created_at == 0
    assert (await library.find(shelf, "digits")).created_at == 2  # the newest
    assert (await library.find(shelf, shelf.all[1].id[:7])).name == "bert"


async def test_a_beginning_that_fits_several_jobs_is_not_guessed() -> None:
    shelf: Any = Shelf("digits", "digits")
    for find in (library.find, library.find_one):
        with pytest.raises(library.SeveralJobs, match="2 jobs have ids that begin with 'dig'"):
            await find(shelf, "dig")


async def test_of_several_jobs_of_one_name_the_ids_are_told_unless_one_is_likely() -> None:
    shelf: Any = Shelf("digits", "bert", "digits")
    with pytest.raises(library.SeveralJobs) as several:
        await library.find_one(shelf, "digits")
    told = several.value.detail.splitlines()
    assert told[0] == "2 jobs are called 'digits':" and [line.split()[0] for line in told[1:]] == [
        shelf.all[0].id,
        shelf.all[2].id,
    ]
    assert (await library.find_one(shelf, "digits", lambda job: job.created_at == 0)) is shelf.all[0]
    assert (await library.find_one(shelf, "bert", lambda job: False)) is shelf.all[1]
    with pytest.raises(library.SeveralJobs):
        await library.find_one(shelf, "digits", lambda job: False)


async def test_a_job_that_does_not_exist_is_answered_with_the_closest() -> None:
    shelf: Any = Shelf("digits", "bert")
    with pytest.raises(JobNotFound, match="Closest: digits"):
        await library.find(shelf, "digist")
    with pytest.raises(JobNotFound):
        await library.find(shelf, "")


async def test_the_notebook_of_a_running_job_is_a_file_that_jupyter_can_open(file: Path, tmp_path: Path) -> None:
    folder = JobFolder(tmp_path / "mlk-x-1")
    folder.path.mkdir()
    with pytest.raises(NoNotebook):
        library.notebook_file(folder)
    bundle = await library.prepare(await library.read_source(file), JobSpec(name="x", notebook="x"), CARRIAGE)
    folder.bundle.write_bytes(bundle.data)
    frame = {"kind": "stream", "rank": 0, "seq": 0, "time": 1.0, "cell": 1, "name": "stdout", "text": "so far"}
    folder.frames.write_text(json.dumps(frame) + "\n")
    path = library.notebook_file(folder)
    assert path.suffix == ".ipynb" and "so far" in path.read_text()
    folder.executed.write_text("{}")
    assert library.notebook_file(folder) == folder.executed


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Digits DDP!", "digits-ddp"), ("Übung é", "ubung-e"), ("日本", "job"), ("-a-", "a"), ("x" * 99, "x" * 32),
        ("a" * 31 + " b", "a" * 31),
        ("2026 run", "job-2026-run"),
    ],
)  # fmt: skip
def test_a_name_becomes_part_of_an_id(name: str, expected: str) -> None:
    assert slug(name) == expected


def test_the_same_request_gives_the_same_id() -> None:
    one = new_job_id("Digits", "0b1c")
    assert one == new_job_id("Digits", "0b1c") != new_job_id("Digits", "0b1d")
    assert is_job_id(one) and len(new_job_id("x" * 99, "r")) == 43 and is_job_id(new_job_id("日本", "r"))


def test_the_row_of_a_job_is_what_its_record_says_without_the_rest() -> None:
    spec = JobSpec(name="x", notebook="x.ipynb")
    status = JobStatus(
        id="x-1",
        name="x",
        notebook="x.ipynb",
        backend="local",
        phase=Phase.FAILED,
        created_at=1.0,
        spec=spec,
        reason=Reason(code="failed", text="It failed."),
        metrics=[Metric(name="loss", value=0.5, at=1.0)],
        ranks=[RankStatus(rank=rank, worker=0) for rank in range(3)],
    )
    row = status.summary()
    assert type(row) is JobSummary and row == JobSummary.model_validate_json(status.model_dump_json())
    assert row.model_dump_json() == JobSummary.model_validate(row.model_dump()).model_dump_json()


def test_what_was_set_for_a_job_is_told_in_its_summary_in_few_characters() -> None:
    parameters = {
        "lr": 0.05,
        "name": "two\nwords",
        "layers": [1, 2],
        "on": None,
        "api_token": "hf_abc",
        "data": "/very/long/path/to/one/of/many/folders/train.csv",
    }
    job = JobStatus.of(
        JobSpec(name="pi", notebook="pi.ipynb", parameters=parameters),
        id="pi-1", backend="local", phase=Phase.RUNNING, created_at=1.0,
    )  # fmt: skip
    assert job.summary().changed == {
        "lr": "0.05", "name": "two words", "layers": "[1, 2]", "on": "None", "api_token": "…",
        "data": "/very/long/pat…ers/train.csv",
    }  # fmt: skip
    assert text.changed(job).startswith("lr=0.05, name=two words, ")


def test_jobs_of_one_script_are_told_apart_by_its_options() -> None:
    words = ["train", "--lr", "0.1", "--fast", "--max_tokens=512", "-v", "--hf-token", "hf_abc", "--tokenizer", "gpt2"]
    spec = JobSpec(name="t", notebook="t.py", arguments=words)
    job = JobStatus.of(spec, id="t-1", backend="local", phase=Phase.RUNNING, created_at=1.0)
    assert job.changed == {
        "--lr": "0.1", "--fast": "", "--max_tokens": "512", "-v": "", "--hf-token": "…", "--tokenizer": "gpt2",
    }  # fmt: skip


def test_of_all_variables_of_ours_only_one_may_be_chosen() -> None:
    assert JobSpec(name="a", notebook="a", env={"MLK_MLFLOW_RANKS": "all"}).env == {"MLK_MLFLOW_RANKS": "all"}
    with pytest.raises(ValueError, match="MLK_JOB is set by the launcher"):
        JobSpec(name="a", notebook="a", env={"MLK_JOB": "x"})


def test_of_very_many_parameters_a_summary_has_the_first_few() -> None:
    spec = JobSpec(name="pi", notebook="pi.ipynb", parameters={f"p{number}": number for number in range(500)})
    job = JobStatus.of(spec, id="pi-1", backend="local", phase=Phase.RUNNING, created_at=1.0)
    assert list(job.changed) == [f"p{number}" for number in range(12)]
