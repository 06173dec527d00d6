"""The garbage collector's pauses while somebody looks at the jobs."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from mlk_jupyter.server.pauses import ShortPauses


class Node:
    """Refers to itself, so that only a collection frees it."""

    def __init__(self) -> None:
        self.me = self


def collectable(wanted: Node) -> bool:
    return any(one is wanted for one in gc.get_objects())


@pytest.fixture(autouse=True)
def nothing_else_collects() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.unfreeze()
    gc.enable()


def test_what_is_there_is_left_out_until_the_end() -> None:
    pauses = ShortPauses()
    node = Node()
    there = weakref.ref(node)
    pauses.start()
    del node
    assert gc.get_freeze_count() > 0
    gc.collect()
    assert there() is not None
    pauses.stop()
    assert gc.get_freeze_count() == 0
    gc.collect()
    assert there() is None


def test_what_survived_a_long_collection_is_left_out_of_the_next_and_garbage_is_not() -> None:
    pauses = ShortPauses(long_s=0.0)
    pauses.start()
    kept, dropped = Node(), Node()
    gone = weakref.ref(dropped)
    del dropped
    before = gc.get_freeze_count()
    gc.collect()
    assert gone() is None
    assert gc.get_freeze_count() > before and not collectable(kept)
    pauses.stop()


def test_a_short_collection_leaves_nothing_out() -> None:
    pauses = ShortPauses(long_s=3600.0)
    pauses.start()
    before = gc.get_freeze_count()
    kept = Node()
    gc.collect()
    assert collectable(kept) and gc.get_freeze_count() <= before
    pauses.stop()
    gc.collect()
    assert not any(callback.__self__ is pauses for callback in gc.callbacks if hasattr(callback, "__self__"))
