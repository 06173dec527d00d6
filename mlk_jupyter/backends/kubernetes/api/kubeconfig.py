"""A person's kubeconfig files as kubectl reads them: a list, merged, the first one to say something wins."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ....errors import MlkError
from .redaction import redacted

_LARGEST_BYTES = 4 << 20
_CLUSTER_FILES = ("certificate-authority",)
_USER_FILES = ("client-certificate", "client-key", "tokenFile")
_PROVIDER_FILES = ("idp-certificate-authority",)


class BrokenKubeconfig(MlkError):
    """A kubeconfig file cannot be used as it is."""

    code, title, status = "kubeconfig_broken", "The kubeconfig cannot be used", 400

    def __init__(self, path: Path | None, what: str) -> None:
        where = str(path) if path else "The kubeconfig"
        super().__init__(f"{where}: {what}", hint="Check it with `kubectl config view`, or name another in KUBECONFIG.")
        self.path = path


class UnknownContext(MlkError):
    """No kubeconfig file has a context of that name."""

    code, title, status = "unknown_context", "No such context", 400

    def __init__(self, wanted: str, known: list[str]) -> None:
        names = f" It has: {', '.join(known[:10])}." if known else " It has none."
        super().__init__(f"The kubeconfig has no context {wanted!r}.{names}", hint="Choose one of them, or none.")
        self.wanted, self.known = wanted, known


@dataclass(frozen=True)
class Context:
    """One way into one cluster. `cluster` and `user` may hold secrets and are left out of the representation."""

    name: str
    namespace: str
    cluster: dict[str, Any] = field(repr=False)
    user: dict[str, Any] = field(repr=False)
    user_path: Path | None = None
    """The file that describes the user: a relative command of a plugin is looked up beside it."""

    @property
    def server(self) -> str:
        return str(self.cluster["server"]).rstrip("/")


@dataclass(frozen=True)
class Kubeconfig:
    """All files as one. Entries hold secrets and are left out of the representation."""

    files: list[Path]
    current: str | None
    contexts: dict[str, tuple[Path, dict[str, Any]]] = field(repr=False)
    clusters: dict[str, tuple[Path, dict[str, Any]]] = field(repr=False)
    users: dict[str, tuple[Path, dict[str, Any]]] = field(repr=False)

    def context(self, name: str) -> Context:
        """One context with all it refers to; paths in it are absolute.

        Raises: UnknownContext, BrokenKubeconfig.
        """
        if name not in self.contexts:
            raise UnknownContext(name, sorted(self.contexts))
        path, context = self.contexts[name]
        cluster_path, cluster = self._referred(path, context, name, "cluster", self.clusters)
        if not isinstance(cluster.get("server"), str) or not cluster["server"].startswith(("http://", "https://")):
            raise BrokenKubeconfig(cluster_path, f"cluster {context['cluster']!r} has no server address")
        user_path: Path | None = None
        user: dict[str, Any] = {}
        if context.get("user"):
            user_path, user = self._referred(path, context, name, "user", self.users)
        namespace = context.get("namespace") or "default"
        return Context(
            name,
            str(namespace),
            _with_absolute_paths(cluster, cluster_path, _CLUSTER_FILES),
            _user_with_absolute_paths(user, user_path) if user_path else {},
            user_path,
        )

    @staticmethod
    def _referred(
        path: Path, context: dict[str, Any], name: str, what: str, entries: dict[str, tuple[Path, dict[str, Any]]]
    ) -> tuple[Path, dict[str, Any]]:
        wanted = context.get(what)
        if not isinstance(wanted, str) or wanted not in entries:
            raise BrokenKubeconfig(path, f"context {name!r} names the {what} {wanted!r}, which no file has")
        return entries[wanted]


def kubeconfig_paths() -> list[Path]:
    """The files that KUBECONFIG lists, or kubectl's usual one; those that exist."""
    listed = os.environ.get("KUBECONFIG", "")
    named = [Path(part).expanduser() for part in listed.split(os.pathsep) if part.strip()]
    return [path for path in named or [Path.home() / ".kube" / "config"] if path.is_file()]


def read_kubeconfig() -> Kubeconfig | None:
    """What the files say together; None when there are none.

    Raises: BrokenKubeconfig when one cannot be read or is no kubeconfig.
    """
    paths = kubeconfig_paths()
    if not paths:
        return None
    merged = Kubeconfig(paths, None, {}, {}, {})
    current: str | None = None
    for path in paths:
        content = _content(path)
        said = content.get("current-context")
        current = current or (said if isinstance(said, str) and said else None)
        for plural, single, entries in (
            ("contexts", "context", merged.contexts),
            ("clusters", "cluster", merged.clusters),
            ("users", "user", merged.users),
        ):
            for name, entry in _entries(path, content, plural, single):
                entries.setdefault(name, (path, entry))
    return Kubeconfig(paths, current, merged.contexts, merged.clusters, merged.users)


def _content(path: Path) -> dict[str, Any]:
    import yaml  # 25 ms that a machine without a cluster does not spend

    try:
        if path.stat().st_size > _LARGEST_BYTES:
            raise BrokenKubeconfig(path, f"it is larger than {_LARGEST_BYTES:,} bytes")
        content = yaml.load(path.read_text(encoding="utf-8"), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (OSError, UnicodeDecodeError) as error:
        raise BrokenKubeconfig(path, f"it cannot be read ({redacted(str(error), 100)})") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}" if mark else ""
        raise BrokenKubeconfig(path, f"it is not valid YAML{where}") from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise BrokenKubeconfig(path, "it is no kubeconfig")
    return content


def _entries(path: Path, content: dict[str, Any], plural: str, single: str) -> list[tuple[str, dict[str, Any]]]:
    listed = content.get(plural) or []
    if not isinstance(listed, list):
        raise BrokenKubeconfig(path, f"`{plural}` is no list")
    entries = []
    for entry in listed:
        if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
            raise BrokenKubeconfig(path, f"an entry of `{plural}` has no name")
        inside = entry.get(single) or {}
        if not isinstance(inside, dict):
            raise BrokenKubeconfig(path, f"{single} {entry['name']!r} has no content")
        entries.append((entry["name"], inside))
    return entries


def _with_absolute_paths(entry: dict[str, Any], path: Path, keys: tuple[str, ...]) -> dict[str, Any]:
    there = path.absolute().parent
    return {**entry, **{key: str(there / entry[key]) for key in keys if isinstance(entry.get(key), str) and entry[key]}}


def _user_with_absolute_paths(user: dict[str, Any], path: Path) -> dict[str, Any]:
    user = _with_absolute_paths(user, path, _USER_FILES)
    provider = user.get("auth-provider")
    if isinstance(provider, dict) and isinstance(provider.get("config"), dict):
        config = _with_absolute_paths(provider["config"], path, _PROVIDER_FILES)
        user["auth-provider"] = {**provider, "config": config}
    return user
