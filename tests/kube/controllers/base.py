"""What all controllers share: a queue of keys, worked off in the server's loop when something changed. No polling."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..store import Event, Key, Object, Store, timestamp
from .events import Recorder

if TYPE_CHECKING:
    from datetime import datetime

Create = Callable[[str, Object], Object]
"""Create an object as an API request would: defaults and admission included. Raises `Problem`."""


@dataclass
class World:
    """What a controller works with."""

    store: Store
    create: Create
    folder: Path
    """Everything that pods leave on disk, while the cluster lives."""
    speed: float
    """How many times faster than the real ones the components act. What objects ask for in seconds stays."""
    recorder: Recorder = field(init=False)
    failures: list[BaseException] = field(default_factory=list)
    """Bugs: what controllers raised and nobody expected."""

    def __post_init__(self) -> None:
        self.recorder = Recorder(self.store)

    def pace(self, seconds: float) -> float:
        """How long something takes here that takes so many seconds in a real cluster."""
        return seconds / self.speed

    def now(self) -> datetime:
        """The cluster's clock."""
        return self.store.now()

    def stamp(self) -> str:
        """The cluster's clock as metadata carries it."""
        return timestamp(self.store.now())


class Controller:
    """Works off keys, one at a time. `notice` hears of each change, in order, in the loop."""

    def __init__(self, world: World) -> None:
        self.world, self.store = world, world.store
        self._waiting: dict[Key, tuple[float, asyncio.TimerHandle]] = {}
        self._closed = False

    def notice(self, event: Event) -> None:
        """Choose the keys that a change concerns."""
        raise NotImplementedError

    def reconcile(self, key: Key) -> None:
        """Bring the world nearer to what the object asks for."""
        raise NotImplementedError

    def enqueue(self, key: Key, after_s: float = 0.0) -> None:
        """Work on it after so many seconds, or earlier if it waits for less already."""
        if self._closed:
            return
        loop = asyncio.get_running_loop()
        due = loop.time() + after_s
        before = self._waiting.get(key)
        if before is not None:
            if before[0] <= due:
                return
            before[1].cancel()
        self._waiting[key] = (due, loop.call_at(due, self._work, key))

    async def close(self) -> None:
        """Do nothing more."""
        self._closed = True
        for _, handle in self._waiting.values():
            handle.cancel()
        self._waiting.clear()

    def _work(self, key: Key) -> None:
        del self._waiting[key]
        try:
            self.reconcile(key)
        except Exception as error:  # a bug here must fail the test that met it, not stop the cluster
            self.world.failures.append(error)
            raise


def key_of(found: Object) -> Key:
    """Namespace and name."""
    return found["metadata"].get("namespace") or "", found["metadata"]["name"]


def owner_of(found: Object, kind: str) -> Object | None:
    """The reference to the controller of that kind that made it."""
    for owner in found["metadata"].get("ownerReferences") or []:
        if owner.get("controller") and owner["kind"] == kind:
            return owner  # type: ignore[no-any-return]
    return None


def controller_reference(owner: Object) -> Object:
    """What an object made by `owner` bears in its `ownerReferences`."""
    return {
        "apiVersion": owner["apiVersion"],
        "blockOwnerDeletion": True,
        "controller": True,
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
    }


def condition(found: Object, kind: str) -> Object | None:
    """One of an object's conditions."""
    conditions: list[Object] = (found.get("status") or {}).get("conditions") or []
    return next((each for each in conditions if each["type"] == kind), None)


def holds(found: Object, kind: str) -> bool:
    """Whether a condition is there and true."""
    held = condition(found, kind)
    return held is not None and held["status"] == "True"


def set_condition(conditions: list[Any], new: Object) -> None:
    """Replace the condition of the same type, in its place; the time of transition stays where the status does."""
    for number, old in enumerate(conditions):
        if old["type"] == new["type"]:
            if old["status"] == new["status"]:
                new = {**new, "lastTransitionTime": old["lastTransitionTime"]}
            conditions[number] = new
            return
    conditions.append(new)
