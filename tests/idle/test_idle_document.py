"""docs/idle.md says what the code does: each variable with its default, each ceiling, each event."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from mlk_jupyter.figures import duration
from mlk_jupyter.idle.policy import VALUES, Ceilings, Policy, Value, resolve
from mlk_jupyter.idle.webhook import Post, as_json
from mlk_jupyter.model.kernels import IdleSettings

TEXT = (Path(__file__).parents[2] / "docs" / "idle.md").read_text(encoding="utf-8")
ROWS = {
    cells[0].strip("`"): cells[1:]
    for line in TEXT.splitlines()
    if line.startswith("| `MLK_")
    for cells in [[cell.strip() for cell in line.strip("|").split("|")]]
}


def default_of(value: Value) -> str:
    default = getattr(Policy(), value.field)
    if value.field.endswith("_s"):
        return duration(default) if default else "no limit"
    if isinstance(default, bool):
        return "on" if default else "off"
    return "" if default is None else f"{default:g}" if isinstance(default, float) and default < 1000 else str(default)


@pytest.mark.parametrize("value", VALUES, ids=lambda value: value.variable)
def test_each_variable_is_there_with_its_default_and_who_may_change_it(value: Value) -> None:
    default, _, layers = ROWS[value.variable]
    assert default.removesuffix(".0") == default_of(value).removesuffix(".0")
    assert tuple(re.findall(r"kernelspec|notebook|setting", layers)) == value.layers


@pytest.mark.parametrize("value", VALUES, ids=lambda value: value.variable)
def test_whoever_is_told_to_be_able_to_set_a_value_is_and_nobody_else(value: Value) -> None:
    text = "off" if value.field in ("mode", "checkpoint") else "17m"
    works = []
    for layer in ("kernelspec", "notebook", "setting"):
        said: dict[str, Any] = {layer: {value.key: text}}
        changed = getattr(resolve(Policy(), Ceilings(), **said)[0], value.field) != getattr(Policy(), value.field)
        if changed and (layer != "setting" or value.key in IdleSettings.model_fields):
            works.append(layer)
    assert re.findall(r"kernelspec|notebook|setting", ROWS[value.variable][2]) == works


def test_no_variable_is_told_that_does_not_exist() -> None:
    assert set(ROWS) == {value.variable for value in VALUES}
    ceilings = {f"{value.variable}_MAX" for value in VALUES if value.field in Ceilings.__dataclass_fields__}
    known = set(ROWS) | ceilings | {"MLK_IDLE_"}  # how the names begin
    assert set(re.findall(r"MLK_IDLE_\w*", TEXT)) <= known and ceilings <= set(re.findall(r"\w+_MAX", TEXT))


def test_the_fields_of_the_webhook_are_told() -> None:
    posted = TEXT[TEXT.index("- **Webhook.**") : TEXT.index("- **Prometheus**")]
    assert [name for name in as_json(Post("warned", "idle"), None, None) if f"`{name}`" not in posted] == []
