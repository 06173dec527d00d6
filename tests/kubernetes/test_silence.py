"""Since when a node is silent, in words."""

from __future__ import annotations

import json

import pytest
from clusterobjects import ID, condition, event, job, objects, running, spec

from mlk_jupyter.backends.kubernetes.job_status import status_of
from mlk_jupyter.backends.kubernetes.status.explain.silence import SilentNode, explain_silence
from mlk_jupyter.backends.kubernetes.status.submitted import SubmittedJob


@pytest.mark.parametrize("known_s", [None, -0.4, 0.0, 75.0])  # times of the API are whole seconds
def test_the_last_heartbeat_says_how_long_a_node_is_silent_whatever_was_known_before(known_s: float | None) -> None:
    reason = explain_silence("gpu-1", "rank 3", known_s)
    assert reason.node == "gpu-1"
    told = reason.since(1_000.0, 1_085.0)
    assert told.text == "The node gpu-1 of rank 3 has not answered for 1 min 25 s; nothing is known of it."
    assert not isinstance(told, SilentNode)
    assert reason.since(None, 1_085.0) == reason


def test_without_it_the_length_is_the_least() -> None:
    assert "has not answered for at least 45 s;" in explain_silence("gpu-1", "rank 3", 45.2).text


@pytest.mark.parametrize("node", ["gpu; 1", "of rank 2", "a node of three words"])
def test_no_name_of_a_node_is_taken_for_the_words_around_it(node: str) -> None:
    told = explain_silence(node, "rank 3", 45.0).since(1_000.0, 1_085.0)
    assert told.text == f"The node {node} of rank 3 has not answered for 1 min 25 s; nothing is known of it."


def test_a_status_holds_the_words_alone() -> None:
    one = running(conditions=[condition("Ready", status="False", when=15)])
    whole = objects(job(), pods=[one], events=[event(one, "NodeNotReady", when=15)])
    status = status_of(whole, None, "lab", submitted_job=SubmittedJob(ID, "ml", spec(), "0" * 16))
    assert status is not None and isinstance(status.reason, SilentNode)
    assert set(json.loads(status.model_dump_json())["reason"]) == {"code", "text", "hint"}
