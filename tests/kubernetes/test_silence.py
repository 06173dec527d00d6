"""Since when a node is silent, in words."""

from __future__ import annotations

import pytest

from mlk_jupyter.backends.kubernetes.status.explain.silence import explain_silence, silent_node, since_heartbeat


@pytest.mark.parametrize("known_s", [None, -0.4, 0.0, 75.0])  # times of the API are whole seconds
def test_the_last_heartbeat_says_how_long_a_node_is_silent_whatever_was_known_before(known_s: float | None) -> None:
    reason = explain_silence("gpu-1", "rank 3", known_s)
    assert silent_node(reason) == "gpu-1"
    told = since_heartbeat(reason, 1_000.0, 1_085.0)
    assert told.text == "The node gpu-1 of rank 3 has not answered for 1 min 25 s; nothing is known of it."
    assert silent_node(told) is None
    assert since_heartbeat(reason, None, 1_085.0) == reason


def test_without_it_the_length_is_the_least() -> None:
    assert "has not answered for at least 45 s;" in explain_silence("gpu-1", "rank 3", 45.2).text
