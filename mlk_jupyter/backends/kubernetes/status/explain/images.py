"""Why an image cannot be had. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

from .....model import Reason
from ...kinds.fields import text
from ...resources import Manifest
from .messages import clean

_IMAGE = re.compile(r"(?:image|reference|pull) \"([^\"]+)\"")

# First match wins: a registry that hides what needs a login says "denied" and "does not exist" in one line.
_CAUSES: tuple[tuple[str, re.Pattern[str], str, str], ...] = (
    (
        "image_rate_limited",
        re.compile(r"toomanyrequests|429 Too Many|rate limit", re.I),
        "the registry has given out too many images to this cluster for now",
        "It is tried again by itself. Use a mirror or a pull secret, which raises the limit.",
    ),
    (
        "image_unauthorized",
        re.compile(
            r"unauthorized|authentication required|pull access denied|authorization failed|403 Forbidden|denied:"
            r"|no basic auth credentials|401",
            re.I,
        ),
        "the registry refuses it: it needs a login, or does not exist",
        "Check the name, and name the Secret with the registry's login as image pull secret.",
    ),
    (
        "image_not_found",
        re.compile(r"not found|manifest unknown|name unknown|does not exist|404", re.I),
        "the registry has no such image or tag",
        "Correct the image's name or tag.",
    ),
    (
        "registry_unknown",
        re.compile(r"no such host|server misbehaving|name resolution", re.I),
        "nobody knows the registry's host name there",
        "Correct the registry's name. A cluster without internet needs an image from its own registry.",
    ),
    (
        "registry_certificate",
        re.compile(r"x509|certificate|HTTP response to HTTPS client", re.I),
        "the node does not trust the registry's certificate",
        "An administrator has to make the registry's certificate authority known to the nodes.",
    ),
    (
        "image_platform",
        re.compile(r"no match for platform|exec format error", re.I),
        "the image is not built for the node's processor",
        "Build it for that processor, or choose other nodes.",
    ),
    (
        "image_no_space",
        re.compile(r"no space left|disk quota", re.I),
        "the node's disk is full",
        "Use a smaller image, or ask an administrator for nodes with more disk.",
    ),
    (
        "registry_unreachable",
        re.compile(r"i/o timeout|connection refused|deadline exceeded|unreachable|connection reset|EOF|5\d\d ", re.I),
        "the registry does not answer",
        "It is tried again by itself. If it lasts: is the registry up, and may the nodes reach it?",
    ),
)


def image_in(message: str) -> str | None:
    """The image that a message names."""
    match = _IMAGE.search(message)
    return clean(match[1], 150) if match else None


def explain_pull(kind: str, message: str, image: str | None, events: Iterable[Manifest]) -> Reason:
    """Words for ErrImagePull and its kin.

    Args:
        kind: the container's waiting reason.
        message: its message; when it only says "back-off", the pod's events hold the cause.
        events: the pod's, oldest first.
    """
    what = f"the image {clean(image or image_in(message) or 'of the job', 150)}"
    if kind == "InvalidImageName":
        return Reason(
            code="image_name_invalid",
            text=f"{what[0].upper()}{what[1:]} has no valid name: lower case, without spaces, at most one tag.",
            hint="Correct the image's name.",
        )
    if kind == "ErrImageNeverPull":
        return Reason(
            code="image_never_pulled",
            text=f"{what[0].upper()}{what[1:]} is not on the node, and the pull policy Never forbids to fetch it.",
            hint="Set the pull policy to IfNotPresent, or use an image that the nodes have.",
        )
    said = [message]
    missing_secret = None
    for event in events:
        note = text(event.get("message"))
        if event.get("reason") == "Failed" and "pull" in note:
            said.insert(1, note)
        if event.get("reason") == "FailedToRetrieveImagePullSecret":
            missing_secret = re.search(r"\(([^)]*)\)", note)
    for words in said:
        # The image's own name may hold any of the words.
        bare = words.replace(image, "") if image else words
        for code, pattern, why, hint in _CAUSES:
            if pattern.search(bare):
                if missing_secret is not None and code == "image_unauthorized":
                    hint = (
                        f"The pull secret {clean(missing_secret[1], 100)} does not exist in this namespace: create it."
                    )
                return Reason(code=code, text=f"{what[0].upper()}{what[1:]} cannot be pulled: {why}.", hint=hint)
    if kind == "ImagePullBackOff" and message.startswith("Back-off"):
        text_ = f"{what[0].upper()}{what[1:]} cannot be pulled; it is tried again at growing intervals."
        return Reason(code="image_pull", text=text_, hint="Check the image's name and the registry's login.")
    return Reason(
        code="image_pull",
        text=f"{what[0].upper()}{what[1:]} cannot be pulled: {clean(message, 160)}",
        hint="Check the image's name and the registry's login.",
    )
