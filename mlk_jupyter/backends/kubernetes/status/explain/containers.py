"""Why a scheduled pod's container does not run yet: what it is doing, or what it cannot do. Pure."""

from __future__ import annotations

import re

from .....figures import duration
from .....model import JobSpec, Reason
from .....text import listed
from ... import labels
from ...kinds.fields import (
    container,
    container_asked,
    init_containers,
    main_container,
    mapping,
    name,
    number,
    seconds,
    sequence,
    spec_of,
    state_of,
    text,
)
from ...resources import Manifest
from .images import explain_pull
from .messages import clean

BUNDLE_MISSING = "bundle_missing"
"""Code of the reason of pods that wait for the job's own ConfigMap."""
_IMAGE_TROUBLE = (
    "ErrImagePull",
    "ImagePullBackOff",
    "InvalidImageName",
    "ErrImageNeverPull",
    "ImageInspectError",
    "RegistryUnavailable",
    "SignatureValidationFailed",
)
_NOT_FOUND = re.compile(r"(secret|configmap) \"([^\"]+)\" not found", re.I)
_KEY = re.compile(r"couldn't find key (\S+) in (Secret|ConfigMap) (?:\S+/)?([\w.-]+)")
_VOLUME = re.compile(r"volume \"([^\"]+)\"")
_UNMOUNTED = re.compile(r"unmounted volumes=\[([^\]]+)\]")
_USED_BY = re.compile(r"already used by pod\(s\) ([\w., -]+)")
OTHER_PROCESSOR = "the image, or a program in it, is built for another processor than its node has (exec format error)"
USE_ANOTHER_IMAGE = "Choose an image for that processor, or other nodes by the label kubernetes.io/arch."


def explain_container(pod: Manifest, events: list[Manifest], spec: JobSpec, now: float) -> Reason:
    """What a pod on its node is busy with, or fails at, before its container runs.

    Args: events: the pod's, oldest first. now: seconds since the epoch by the cluster's clock.
    """
    for init in init_containers(pod):
        if state_of(init, "running") is not None:
            began = seconds(mapping(state_of(init, "running")).get("startedAt"))
            took = f" for {duration(now - began)}" if began is not None and now >= began else ""
            if init.get("name") == labels.STAGING:
                return Reason(code="staging", text=f"Staging data: `{_staging(spec)}` has run{took}.")
            return Reason(code="staging", text=f"Its init container {clean(init.get('name'), 60)} has run{took}.")
    for status in (*init_containers(pod, sidecars=True), container(pod)):
        waiting = state_of(status, "waiting")
        if waiting is None:
            continue
        kind, message = text(waiting.get("reason")), text(waiting.get("message"))[:20_000]
        if kind in _IMAGE_TROUBLE:
            image = text(mapping(status).get("image")) or _image_of(pod)
            return explain_pull(kind, message, image or None, events)
        if kind in ("CreateContainerConfigError", "CreateContainerError", "RunContainerError", "StartError"):
            return explain_config(message)
        if kind == "CrashLoopBackOff":
            return _crash_loop(pod, mapping(status))
    return _creating(pod, events, spec, now)


def _crash_loop(pod: Manifest, status: Manifest) -> Reason:
    called = clean(status.get("name"), 60)
    if status.get("name") == main_container(pod):
        text_, hint = "Its container ends again and again as soon as it starts", "See its log."
    else:
        text_ = f"Its container {called}, which has to run before its ranks do, ends again and again"
        hint = f"`kubectl logs {name(pod)} -c {called} --previous` shows what it wrote."
    ended = mapping(mapping(status.get("lastState")).get("terminated"))
    code, message = number(ended.get("exitCode")), clean(ended.get("message"), 200)
    last = f", the last time with exit code {code}{f': {message}' if message else ''}" if code is not None else ""
    return Reason(code="crash_loop", text=f"{text_}{last}.", hint=hint)


def explain_config(message: str) -> Reason:
    """Words for a container that cannot be made as it was asked for."""
    missing, key = _NOT_FOUND.search(message), _KEY.search(message)
    if missing is not None:
        kind = "Secret" if missing[1].lower() == "secret" else "ConfigMap"
        return _missing(kind, missing[2])
    if key is not None:
        return Reason(
            code="key_not_found",
            text=f"The {key[2]} {clean(key[3], 100)} has no key {clean(key[1], 100)}.",
            hint="Correct the key, or add it; the job starts by itself then.",
        )
    if "runAsNonRoot" in message:
        why = "its user has a name, not a number" if "non-numeric" in message else "it would run as root"
        return Reason(
            code="runs_as_root",
            text=f"The image is refused because {why}, and pods here must not run as root.",
            hint="Use `run_as: restricted`, or an image that sets a numeric user other than 0.",
        )
    return explain_start(message, "It")


def explain_start(message: str, who: str) -> Reason:
    """Words for a container whose program could not be started."""
    if re.search(r"nvidia-container-cli|nvidia-container-runtime|CDI device|no NVIDIA", message):
        return Reason(
            code="gpu_driver",
            text=f"{who} could not be started: the node's GPU driver does not work: {clean(message[-180:])}",
            hint="Tell an administrator; choose other nodes until then.",
        )
    if re.search(r"OOM-killed|memory limit too low|cannot allocate memory", message):
        return Reason(
            code="out_of_memory",
            text=f"{who} could not be started: its memory limit is too low to start a process.",
            hint="Ask for more memory.",
        )
    if "exec format error" in message:
        return Reason(
            code="bad_command", text=f"{who} could not be started: {OTHER_PROCESSOR}.", hint=USE_ANOTHER_IMAGE
        )
    program = re.search(r"exec:? \"([^\"]+)\"", message)
    if program is not None or "no such file or directory" in message:
        what = clean(program[1], 120) if program else "the program"
        why = "may not be executed" if "permission denied" in message else "is not in the image"
        return Reason(
            code="bad_command",
            text=f"{who} could not be started: {what} {why}.",
            hint="The image needs Python 3.9 or later as `python3` or `python`.",
        )
    return Reason(
        code="container_not_created",
        text=f"{who} could not be started: {clean(message, 220) or 'the cluster does not say why'}",
        hint="Check the image and what is mounted into it.",
    )


def _creating(pod: Manifest, events: list[Manifest], spec: JobSpec, now: float) -> Reason:
    trouble = pulling = None
    for event in events:
        reason = event.get("reason")
        if reason in (
            "FailedMount",
            "FailedAttachVolume",
            "FailedMapVolume",
            "FailedCreatePodSandBox",
            "NetworkNotReady",
        ):
            trouble = event
        elif reason in ("SuccessfulAttachVolume", "Pulled", "Pulling", "Created", "Started"):
            trouble = None
        if reason == "Pulling":
            pulling = event
        elif reason in ("Pulled", "Failed", "BackOff"):
            pulling = None
    if trouble is not None:
        return explain_mount(trouble, pod)
    if pulling is not None:
        began = seconds(pulling.get("firstTimestamp")) or seconds(pulling.get("lastTimestamp"))
        took = f" for {duration(now - began)}" if began is not None and now >= began else ""
        image = _image_of(pod)
        return Reason(code="pulling_image", text=f"Pulling the image {clean(image, 150)}{took}.")
    if any(event.get("reason") == "Pulled" for event in events):
        return Reason(code="creating", text="The image is there; its container is being started.")
    volumes = [mapping(one) for one in sequence(spec_of(pod).get("volumes"))]
    mounted = [clean(one.get("name"), 60) for one in volumes if one.get("persistentVolumeClaim")]
    what = f"Mounting {listed(mounted, 4)}" if mounted else "Preparing its container"
    return Reason(code="mounting" if mounted else "creating", text=f"{what} on {_node(pod)}.")


def explain_mount(event: Manifest, pod: Manifest) -> Reason:
    """Words for an event that tells of a volume or sandbox that cannot be had."""
    message = text(event.get("message"))[:20_000]
    volume, missing = _VOLUME.search(message), _NOT_FOUND.search(message)
    unmounted = _UNMOUNTED.search(message)
    called = clean(unmounted[1] if unmounted else volume[1] if volume else "", 100)
    if missing is not None and missing[2].endswith("-bundle"):
        return Reason(
            code=BUNDLE_MISSING,
            text=f"Waiting for the ConfigMap {clean(missing[2], 100)}, which carries the notebook.",
            hint="Who submitted the job makes it, again if somebody removed it. If it stays away, submit it anew.",
        )
    if missing is not None:
        return _missing("Secret" if missing[1].lower() == "secret" else "ConfigMap", missing[2])
    if "Multi-Attach" in message or "exclusively attached" in message:
        user = _USED_BY.search(message)
        by = clean(user[1], 100) if user else "something"
        return Reason(
            code="volume_in_use",
            text=f"The volume {called or 'of its claim'} can be used on one node at a time (ReadWriteOnce), and "
            f"{by} uses it on another.",
            hint="Often it is the notebook's own volume. Use a ReadWriteMany claim, or stop what uses it.",
        )
    if event.get("reason") in ("FailedCreatePodSandBox", "NetworkNotReady"):
        return Reason(
            code="node_trouble",
            text=f"The node {_node(pod)} cannot set up the pod: {clean(message, 200)}",
            hint="It is tried again by itself. If it lasts, tell an administrator.",
        )
    return Reason(
        code="mount_failed",
        text=f"The volume {called or 'it needs'} cannot be mounted: {clean(message, 200)}",
        hint="It is tried again by itself. Check the claim, and the server that its files are on.",
    )


def _missing(kind: str, missing: str) -> Reason:
    return Reason(
        code="secret_not_found" if kind == "Secret" else "config_map_not_found",
        text=f"There is no {kind} {clean(missing, 120)} in this namespace.",
        hint="Correct its name, or create it; the job starts by itself then.",
    )


def _image_of(pod: Manifest) -> str:
    return text(container_asked(pod).get("image"))


def _node(pod: Manifest) -> str:
    return clean(text(spec_of(pod).get("nodeName")) or name(pod), 80)


def _staging(spec: JobSpec) -> str:
    return clean(" ".join(spec.cluster.staging) or "the staging command", 100)
