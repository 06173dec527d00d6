"""A pod's volumes as folders on this machine, and its absolute paths rewritten to them.

There is no mount namespace: a path below a mount is replaced by the folder that stands for it wherever it is written in
the command, the arguments, the values of the environment and the working directory. Code that spells such a path out
itself (in a notebook's cell, say) does not find it.
"""

from __future__ import annotations

import base64
import re
import shutil
from pathlib import Path

from .names import CLAIMS, CONFIG_MAPS, SECRETS
from .store import Object, Store


class NotYet(Exception):
    """A volume cannot be set up now. The words are the kubelet's."""


class PodFiles:
    """The folders of one pod."""

    def __init__(self, store: Store, pod: Object, folder: Path, cluster_folder: Path) -> None:
        self._store, self._pod, self.folder, self._cluster = store, pod, folder, cluster_folder
        self._namespace = pod["metadata"]["namespace"]

    def set_up(self) -> None:
        """Make all volumes. Raises `NotYet` for the first that lacks what it shows."""
        for volume in self._pod["spec"].get("volumes") or []:
            self._set_up(volume)

    def mounts(self, container: Object) -> dict[str, str]:
        """Where each mount path of a container really lies. Raises `NotYet` for a volume the pod lacks."""
        found = {"/dev/termination-log": str(self.termination_log(container["name"]))}
        path = container.get("terminationMessagePath")
        if path:
            found[path] = str(self.termination_log(container["name"]))
        volumes = {volume["name"]: volume for volume in self._pod["spec"].get("volumes") or []}
        for mount in container.get("volumeMounts") or []:
            place = self._place(volumes[mount["name"]])
            if mount.get("subPath"):
                place = place / mount["subPath"]
                if not place.exists():
                    place.mkdir(parents=True)
            found[mount["mountPath"].rstrip("/") or "/"] = str(place)
        return found

    def termination_log(self, container: str) -> Path:
        """The file behind a container's terminationMessagePath."""
        folder = self.folder / "containers" / container
        folder.mkdir(parents=True, exist_ok=True)
        return folder / "termination-log"

    def remove(self) -> None:
        """The pod is gone; its claims' folders stay."""
        for found in self.folder.rglob("*"):
            if found.is_dir() and not found.is_symlink():
                found.chmod(0o755)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _place(self, volume: Object) -> Path:
        if "persistentVolumeClaim" in volume:
            return self._cluster / "claims" / self._namespace / volume["persistentVolumeClaim"]["claimName"]
        if "hostPath" in volume:
            return self._cluster / "hosts" / self._pod["spec"]["nodeName"] / volume["hostPath"]["path"].strip("/")
        return self.folder / "volumes" / str(volume["name"])

    def _set_up(self, volume: Object) -> None:
        place = self._place(volume)
        try:
            if "persistentVolumeClaim" in volume:
                name = volume["persistentVolumeClaim"]["claimName"]
                if self._store.peek(CLAIMS, self._namespace, name) is None:
                    raise NotYet(f'persistentvolumeclaim "{name}" not found')
            place.mkdir(parents=True, exist_ok=True)
            if "configMap" in volume:
                source = volume["configMap"]
                self._write(place, self._keyed(CONFIG_MAPS, source["name"], source.get("optional")), source)
            elif "secret" in volume:
                source = volume["secret"]
                self._write(place, self._keyed(SECRETS, source["secretName"], source.get("optional")), source)
            elif "projected" in volume:
                for part in volume["projected"].get("sources") or []:
                    self._project(place, part)
        except NotYet as problem:
            raise NotYet(f'MountVolume.SetUp failed for volume "{volume["name"]}" : {problem}') from None

    def _project(self, place: Path, part: Object) -> None:
        for kind, resource in (("configMap", CONFIG_MAPS), ("secret", SECRETS)):
            source = part.get(kind)
            if source is not None and not source["name"].endswith(".crt"):
                self._write(place, self._keyed(resource, source["name"], source.get("optional")), source)

    def _keyed(self, resource: str, name: str, optional: bool | None) -> dict[str, bytes]:
        found = self._store.peek(resource, self._namespace, name)
        if found is None:
            if optional:
                return {}
            raise NotYet(f'{resource.rstrip("s")} "{name}" not found')
        return data_of(found)

    @staticmethod
    def _write(place: Path, data: dict[str, bytes], source: Object) -> None:
        items = source.get("items")
        wanted = {item["key"]: item["path"] for item in items} if items else {key: key for key in data}
        mode = int(source.get("defaultMode", 0o644))
        for key, path in wanted.items():
            if key not in data:
                if source.get("optional"):
                    continue
                raise NotYet(f"references non-existent config key: {key}")
            target = place / path
            target.parent.mkdir(parents=True, exist_ok=True)
            if target.exists():
                target.chmod(0o644)
            target.write_bytes(data[key])
            target.chmod(mode | 0o400)


def data_of(found: Object) -> dict[str, bytes]:
    """The keys of a ConfigMap or a Secret."""
    text = {key: value.encode() for key, value in (found.get("data") or {}).items()}
    if found["kind"] == "Secret":
        text = {key: base64.b64decode(value) for key, value in text.items()}
        text.update({key: value.encode() for key, value in (found.get("stringData") or {}).items()})
    return {**text, **{key: base64.b64decode(value) for key, value in (found.get("binaryData") or {}).items()}}


class Rewriting:
    """Replaces mount paths and the pods' network names in text, all in one pass."""

    def __init__(self, mounts: dict[str, str], subdomain: str | None, port: int | None) -> None:
        self._mounts, self._port = mounts, port
        paths = "|".join(re.escape(path) for path in sorted(mounts, key=len, reverse=True))
        parts = [rf"(?P<path>(?<![\w./-])(?:{paths})(?![\w.-]))"]
        if subdomain:
            name = rf"[a-z0-9]([a-z0-9-]*[a-z0-9])?\.{re.escape(subdomain)}(\.[a-z0-9-]+\.svc(\.[a-z0-9.-]*[a-z0-9])?)?"
            parts.append(rf"(?P<host>(?<![\w.-]){name}(?![\w-]|\.\w))(?P<port>:\d+)?")
        self._pattern = re.compile("|".join(parts))

    def __call__(self, text: str) -> str:
        return self._pattern.sub(self._replace, text)

    def _replace(self, match: re.Match[str]) -> str:
        if match["path"]:
            return self._mounts[match["path"]]
        port = match["port"] or ""
        return "127.0.0.1" + (f":{self._port}" if port and self._port else port)
