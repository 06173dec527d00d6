"""Volumes: that claims exist, are bound, and can be mounted by all workers at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .....model.api import Finding
from .....text import listed
from ...resources import Manifest
from .case import Case, error, note, warning

_IMAGE_FIELD = "cluster.volumes"


def check(case: Case) -> list[Finding]:
    return [*_claims(case), *_images(case)]


def _claims(case: Case) -> Iterator[Finding]:
    writes: dict[str, bool] = {}
    fields: dict[str, str] = {}
    for volume in case.options.volumes:
        if volume.claim:
            writes[volume.claim] = writes.get(volume.claim, False) or not volume.read_only
            fields.setdefault(volume.claim, "cluster.volumes")
    if case.options.checkpoints:
        writes[case.options.checkpoints] = True
        fields.setdefault(case.options.checkpoints, "cluster.checkpoints")
    if not writes:
        return
    if case.facts.claims is None:
        why = case.facts.unknown.get("claims", "it was not asked")
        text = f"Whether volume {listed(list(writes))} exists and all workers can mount it is not known: {why}."
        yield note("claims_unchecked", text, None, next(iter(fields.values())))
        return
    known = {claim["metadata"]["name"]: claim for claim in case.facts.claims}
    for name, written in writes.items():
        if name in known:
            yield from _claim(case, known[name], fields[name], written=written)
        else:
            there = f" There are: {listed(sorted(known))}." if known else " The namespace has none."
            text = f"There is no PersistentVolumeClaim {name} in namespace {case.facts.namespace}.{there}"
            yield error("no_claim", text, "Correct the name, or create the claim first.", fields[name])


def _claim(case: Case, claim: Manifest, field: str, *, written: bool) -> Iterator[Finding]:
    name, status, spec = claim["metadata"]["name"], claim.get("status") or {}, claim.get("spec") or {}
    phase = status.get("phase")
    if claim["metadata"].get("deletionTimestamp"):
        text = f"Volume {name} is being deleted."
        yield error("claim_going", text, "Use another claim.", field)
    elif phase == "Lost":
        text = f"Volume {name} has lost its storage (phase Lost)."
        yield error("claim_lost", text, "Restore its PersistentVolume, or use another claim.", field)
    elif phase != "Bound":
        text = f"Volume {name} has no storage yet (phase {phase or 'unknown'})."
        hint = (
            "Storage that waits for its first pod is made when the job starts. Otherwise no pod starts: "
            f"`kubectl describe pvc {name}` tells why."
        )
        yield warning("claim_pending", text, hint, field)
    modes = status.get("accessModes") or spec.get("accessModes") or []
    yield from _modes(case, name, modes, field, written=written)


def _modes(case: Case, name: str, modes: Sequence[str], field: str, *, written: bool) -> Iterator[Finding]:
    workers = case.spec.workers
    if not modes or "ReadWriteMany" in modes:
        return
    if "ReadOnlyMany" in modes and not written:
        return
    if modes == ["ReadOnlyMany"]:
        text = f"Volume {name} can only be read (ReadOnlyMany); the job would write to it."
        yield error("claim_read_only", text, "Mount it read-only, or use a claim with ReadWriteMany.", field)
        return
    if "ReadWriteOncePod" in modes and "ReadWriteOnce" not in modes:
        users = _users(case, name)
        if workers > 1 or users:
            who = f"{workers} workers would" if workers > 1 else f"pod {users[0][0]} uses it and the worker would"
            text = f"Volume {name} can be mounted by one pod only (ReadWriteOncePod); {who}."
            hint = "Use a claim with ReadWriteMany" + (", or one worker." if workers > 1 else ", or end that pod.")
            yield error("claim_one_pod", text, hint, field)
        return
    many = "ReadWriteMany" if written else "ReadOnlyMany or ReadWriteMany"
    if workers > 1 and case.options.one_worker_per_node:
        text = f"Volume {name} can be mounted on one node only (ReadWriteOnce); {workers} workers would be on as many."
        yield error("claim_one_node", text, f"Use a claim with {many}, or let workers share a node.", field)
    elif workers > 1:
        text = (
            f"Volume {name} can be mounted on one node only (ReadWriteOnce): all {workers} workers must fit on it, "
            "or some wait for ever."
        )
        yield warning("claim_one_node", text, f"Use a claim with {many}, or one worker.", field)
    users = [(pod, node) for pod, node in _users(case, name) if node]
    if users:
        pod, node = users[0]
        text = f"Volume {name} is in use by pod {pod} on node {node}, and can be mounted there only."
        hint = "If that is your notebook's pod, the job has to fit beside it. Otherwise wait until it ends."
        yield warning("claim_in_use", text, hint, field)


def _users(case: Case, claim: str) -> list[tuple[str, str | None]]:
    """Pods that mount a claim, with their nodes."""
    return [
        (pod["metadata"]["name"], pod["spec"].get("nodeName"))
        for pod in case.facts.pods or []
        for volume in pod["spec"].get("volumes") or []
        if (volume.get("persistentVolumeClaim") or {}).get("claimName") == claim
    ]


def _images(case: Case) -> Iterator[Finding]:
    if not any(volume.image for volume in case.options.volumes):
        return
    served, version = case.facts.served.image_volumes, case.facts.served.version or "of unknown version"
    if served is False:
        text = f"The cluster ({version}) cannot mount images as volumes."
        yield error(
            "no_image_volumes", text, "Kubernetes 1.33 or later can. Use a claim, or a staging step.", _IMAGE_FIELD
        )
    elif served is None:
        text = f"Whether the cluster ({version}) mounts images as volumes depends on how it is set up."
        yield warning("image_volumes_unsure", text, "If it does not, use a claim or a staging step.", _IMAGE_FIELD)
