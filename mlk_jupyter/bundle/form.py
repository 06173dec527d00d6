"""The submit dialog of one notebook as a JSON schema. Pure."""

from __future__ import annotations

from typing import Any

from ..model import JobSpec
from ..model.api import Finding, Form, Level, Parameter
from .cluster_form import cluster_schema, cluster_ui_schema, cluster_values
from .fields import AS_DURATION, DURATION_HINTS, plain, span
from .notebook import NotebookDict
from .parameters import parameters_of

# Title and help of each field, in the order of the form, for people who train models: the model's own descriptions
# are for those who write specs.
_TEXTS = {
    "name": ("Name", "What the job is called in the list. Other jobs may have the same name."),
    "notebook": ("Notebook", "The notebook or script to run."),
    "workers": ("Workers", "How many copies of the notebook run side by side, as one distributed job."),
    "gpus": ("GPUs for each worker", "0 runs on the processor."),
    "parameters": ("Parameters", "Values for the notebook's cell tagged `parameters`."),
    "arguments": ("Arguments", "Words of the script's command line, as in `--epochs 3`: two words."),
    "env": ("Environment variables", "Set for every process of the job."),
    "time_limit_s": ("Time limit", "The job is stopped after this time, e.g. 90s, 15m, 2h or 1d. Empty: no limit."),
    "grace_period_s": (
        "Time to end by itself",
        "From asking the job to stop to killing it, e.g. 30s: what a handler that saves a checkpoint has.",
    ),
    "output_limit": (
        "Largest output",
        "Most that the notebook keeps of one output, e.g. 16Mi (at most 32Mi). A larger one is in a file; "
        "in a cluster it is left out.",
    ),
    "notebook_limit": (
        "All outputs together",
        "Most that the notebook keeps of all outputs, e.g. 64Mi (at most 128Mi).",
    ),
    "files": (
        "Files to carry along",
        "Files or folders in the notebook's folder that it reads. Modules that it imports come along by themselves.",
    ),
    "ranks_per_worker": ("Processes in each worker", "Empty: one for each GPU, or one without GPUs."),
    "kernel": ("Kernel", "Name of the kernel whose Python runs it on this machine. Empty: the notebook's own."),
    "python": (
        "Python",
        "Path of the Python that runs it on this machine, instead of a kernel's. Empty: for a script, the environment "
        "of its folder.",
    ),
    "mlflow": ("Record as an MLflow run", "Parameters, metrics and the outcome are kept in MLflow."),
}
_TYPES: list[tuple[type, str]] = [(bool, "boolean"), (int, "integer"), (float, "number"), (str, "string")]


def form_of(
    notebook: NotebookDict,
    path: str,
    name: str,
    *,
    cluster: bool = False,
    image: str | None = None,
) -> Form:
    """The form for one notebook, filled in with what the notebook says and the defaults: never with what was chosen
    another time, which is the person's and offered by whoever shows the form.

    Args:
        path: as the person knows the notebook.
        name: what the job is called unless somebody says otherwise.
        cluster: whether it also asks what only a cluster has.
        image: what a job in the cluster gets that names none; None where there is no default.
    """
    parameters = parameters_of(notebook)
    fields = [field for field in _TEXTS if field != "arguments" or path.lower().endswith(".py")]
    spec = JobSpec(name=name, notebook=path)
    values = spec.model_dump(mode="json", include={*fields}, exclude_none=True)
    values["grace_period_s"] = span(spec.grace_period_s)
    if cluster:
        values["cluster"] = cluster_values(image)
    return Form(
        form_schema=_schema(fields, parameters, cluster),
        ui_schema=_ui_schema(fields, parameters, cluster),
        values=values,
        parameters=parameters,
        findings=[] if parameters else [_no_parameters(path)],
    )


def _no_parameters(path: str) -> Finding:
    """How to have some, step by step."""
    if path.lower().endswith(".py"):
        text = 'This script has no cell of parameters. Put the assignments below a line `# %% tags=["parameters"]`, '
        text += "the rest below a line `# %%`, and save."
    else:
        text = (
            "This notebook has no cell tagged `parameters`. Select the cell that assigns them, open the Property "
            "Inspector (the two cogwheels at the right edge) and in it Common Tools, press Add Tag, type `parameters`, "
            "and save."
        )
    hint = "Its assignments are then fields of this form. The tour has it with a picture: docs/tour.md#parameters."
    return Finding(level=Level.NOTE, code="no_parameters", text=text, hint=hint, field="parameters")


def _schema(fields: list[str], parameters: list[Parameter], cluster: bool) -> dict[str, Any]:
    """Draft 7, from the model: the limits stand there and nowhere else."""
    model = JobSpec.model_json_schema()
    properties = {name: {**plain(model["properties"][name]), **_text(name)} for name in fields}
    properties["time_limit_s"] = {
        "type": "string",
        **_text("time_limit_s"),
        "pattern": r"^\s*(\d+(\.\d+)?\s*[smhdSMHD]?)?\s*$",
    }
    properties["grace_period_s"] = {
        "type": "string",
        **_text("grace_period_s"),
        "default": span(properties["grace_period_s"]["default"]),
        "pattern": AS_DURATION,
    }
    properties["parameters"] = {
        "type": "object",
        **_text("parameters"),
        "properties": {parameter.name: _parameter(parameter) for parameter in parameters},
        "additionalProperties": False,
    }
    if cluster:
        properties["cluster"] = cluster_schema()
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "object",
        "properties": properties,
        "required": model["required"],
        "additionalProperties": False,
    }


def _text(name: str) -> dict[str, str]:
    title, description = _TEXTS[name]
    return {"title": title, "description": description}


def _parameter(parameter: Parameter) -> dict[str, Any]:
    field: dict[str, Any] = {"title": parameter.name}
    help_ = [parameter.help] if parameter.help else []
    kind = next((name for type_, name in _TYPES if isinstance(parameter.default, type_)), None)
    if kind is not None:
        field.update(type=kind, default=parameter.default)
    else:
        field["type"] = "string"
        is_shown = isinstance(parameter.default, (list, dict))  # in the field; None and what is computed are not
        help_.append("JSON" if is_shown else f"Text or JSON. Empty: {parameter.source}")
    if help_:
        field["description"] = ". ".join(help_)
    return field


def _ui_schema(fields: list[str], parameters: list[Parameter], cluster: bool) -> dict[str, Any]:
    return {
        "ui:order": [*fields, "cluster"] if cluster else fields,
        **({"cluster": cluster_ui_schema()} if cluster else {}),
        "notebook": {"ui:widget": "hidden"},
        "time_limit_s": {"ui:placeholder": "no limit", "ui:options": DURATION_HINTS},
        "grace_period_s": {"ui:options": DURATION_HINTS},
        "parameters": {
            "ui:order": [*(parameter.name for parameter in parameters), "*"],
            **{
                parameter.name: {"ui:placeholder": parameter.source}
                for parameter in parameters
                if not isinstance(parameter.default, (bool, int, float, str))
            },
        },
    }
