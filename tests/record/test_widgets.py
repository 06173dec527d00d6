"""The widgets that a notebook's metadata holds, by frames alone."""

from __future__ import annotations

from typing import Any

import nbformat
import pytest

from mlk_jupyter.record.replay import Replay

MIME = "application/vnd.jupyter.widget-state+json"
NOTEBOOK = {"cells": [], "metadata": {"widgets": {"kept": 1}}, "nbformat": 4, "nbformat_minor": 5}
SLIDER = {"_model_name": "IntSliderModel", "_model_module": "@jupyter-widgets/controls", "value": 1}


def replayed(*frames: dict[str, Any]) -> Any:
    replay = Replay(NOTEBOOK)
    for seq, frame in enumerate(frames):
        replay.apply({"kind": "widget", "rank": 0, "seq": seq, "time": 1.0, **frame})
    document = replay.notebook()
    nbformat.validate(nbformat.from_dict(document))
    return document["metadata"]["widgets"]


def test_parts_of_a_state_are_laid_over_each_other() -> None:
    part = {"path": ["data"], "encoding": "base64", "data": "b2xk"}
    held = replayed(
        {"comm_id": "a", "state": SLIDER, "buffers": [part]},
        {"comm_id": "a", "state": {"value": 2}, "buffers": [{**part, "data": "bmV3"}]},
        {"comm_id": "b", "state": {"value": 2}},
    )
    [model] = held[MIME]["state"].values()
    assert model["state"] == {**SLIDER, "value": 2} and model["model_name"] == "IntSliderModel"
    assert model["model_module_version"] is None and model["buffers"] == [{**part, "data": "bmV3"}]


def test_a_notebook_that_shows_no_widget_keeps_what_it_came_with() -> None:
    assert replayed() == {"kept": 1}


@pytest.mark.parametrize(
    "frame",
    [
        {},
        {"comm_id": 1, "state": SLIDER},
        {"comm_id": "a", "state": [1]},
        {"comm_id": "a", "state": {"_model_name": float("nan")}},
        {"comm_id": "a", "state": SLIDER, "rank": 1},
    ],
)
def test_a_frame_that_makes_no_sense_changes_nothing(frame: dict[str, Any]) -> None:
    assert replayed(frame) == {"kept": 1}


@pytest.mark.parametrize("buffers", [None, 5, [1], [{"path": 1}], [{"path": [], "data": float("inf")}]])
def test_buffers_that_make_no_sense_are_left_out(buffers: Any) -> None:
    [model] = replayed({"comm_id": "a", "state": SLIDER, "buffers": buffers})[MIME]["state"].values()
    assert "buffers" not in model


def test_states_without_end_are_bounded() -> None:
    text = "x" * 1024 * 1024
    frames = [{"comm_id": str(number), "state": {**SLIDER, "text": text}} for number in range(200)]
    held = replayed(*frames)[MIME]["state"]
    assert sum(len(model["state"].get("text", "")) for model in held.values()) < 130 * 1024 * 1024
