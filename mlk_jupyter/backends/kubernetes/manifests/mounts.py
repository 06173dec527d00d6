"""What the pods see at which path. Pure."""

from __future__ import annotations

from typing import Any

from ....model.cluster import SHARED_MEMORY
from ....quantities import form_of, parse, printed
from .. import labels
from .environment import BUNDLE, CHECKPOINTS, HOME, WORK
from .render_context import RenderContext


class Mounts:
    """Volumes of the pod, and where each container has them."""

    def __init__(self, context: RenderContext) -> None:
        self.volumes: list[dict[str, Any]] = []
        self.everywhere: list[dict[str, Any]] = []
        """Mounts of every container."""
        self._context = context
        self._ours()
        self._theirs()

    def _ours(self) -> None:
        context, options = self._context, self._context.spec.cluster
        name = labels.bundle_name(context.owner)
        self._add("bundle", {"configMap": {"name": name}}, BUNDLE, readOnly=True)
        self._add("work", {"emptyDir": {}}, WORK)
        if options.run_as == "restricted":
            self._add("home", {"emptyDir": {}}, HOME)
        self._add("tmp", {"emptyDir": {}}, "/tmp")
        self._add("shm", {"emptyDir": {"medium": "Memory", "sizeLimit": _shared_memory(context)}}, "/dev/shm")
        if options.checkpoints is None:
            self._add("checkpoints", {"emptyDir": {}}, CHECKPOINTS)

    def _theirs(self) -> None:
        context, options = self._context, self._context.spec.cluster
        # One volume for each claim, however often it is mounted: writable as soon as one of the mounts is.
        writable = {volume.claim for volume in options.volumes if not volume.read_only} | {options.checkpoints}
        named: dict[str, str] = {}
        if options.checkpoints is not None:
            named[options.checkpoints] = "checkpoints"
            claim = {"persistentVolumeClaim": {"claimName": options.checkpoints}}
            self._add("checkpoints", claim, CHECKPOINTS, subPath=context.id)
        for number, volume in enumerate(options.volumes):
            name = f"volume-{number}"
            source: dict[str, Any] | None
            if volume.claim is not None:
                known = named.setdefault(volume.claim, name)
                read_only = {} if volume.claim in writable else {"readOnly": True}
                source = {"persistentVolumeClaim": {"claimName": volume.claim, **read_only}} if known == name else None
                name = known
            elif volume.image is not None:
                source = {"image": {"reference": volume.image}}
            else:
                source = {"emptyDir": {"sizeLimit": volume.empty_dir}}
            more: dict[str, Any] = {"readOnly": True} if volume.read_only or volume.image is not None else {}
            if volume.sub_path is not None:
                more["subPath"] = volume.sub_path
            self._add(name, source, volume.path, **more)

    def _add(self, name: str, source: dict[str, Any] | None, path: str, **more: Any) -> None:
        if source is not None:
            self.volumes.append({"name": name, **source})
        self.everywhere.append({"name": name, "mountPath": path, **more})


def _shared_memory(context: RenderContext) -> str:
    options = context.spec.cluster
    if options.shared_memory is not None:
        return options.shared_memory
    if options.memory is None:
        return SHARED_MEMORY
    return printed(-(-parse(options.memory) // 2), form_of(options.memory))
