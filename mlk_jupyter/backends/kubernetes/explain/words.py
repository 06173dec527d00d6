"""Text that came from a cluster, made fit to be shown; and figures as people read them. Pure."""

from __future__ import annotations

import re

LONGEST = 300

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]+")
_SECRETS = (
    (re.compile(r"(?i)\b([a-z][a-z0-9+.-]*://)[^/\s:@]*:[^/\s@]+@"), r"\1***@"),
    (re.compile(r"(?i)\b(bearer|basic)\s+[a-z0-9._~+/=-]{6,}"), r"\1 ***"),
    (
        re.compile(
            r"(?i)([\w.-]*(?:password|passwd|secret|token|api_?key|access_?key|credential)[\w.-]*[\"']?\s*[=:]\s*)"
            r"(\"[^\"]*\"|'[^']*'|[^\s,;}\]]+)"
        ),
        r"\1***",
    ),
    (
        re.compile(
            r"(?i)(\"?name\"?\s*:\s*\"?[\w.-]*(?:password|passwd|secret|token|api_?key|access_?key|credential)[\w.-]*"
            r"\"?\s*,\s*\"?value\"?\s*:\s*)(\"[^\"]*\"|[^\s,}]+)"
        ),
        r"\1***",
    ),
    (re.compile(r"\b(?:sk-|ghp_|gho_|ghs_|github_pat_|glpat-|hf_|xox[abp]-|AKIA|ASIA)[A-Za-z0-9_-]{8,}"), "***"),
    (re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)?"), "***"),
)


def redact(text: str) -> str:
    """The text without what looks like a password, token or key."""
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text


def clean(text: object, longest: int = LONGEST) -> str:
    """One line of at most `longest` characters, without control characters and secrets; "" for None."""
    if text is None:
        return ""
    # Not more than a few times the limit is looked at: a hostile message may be megabytes.
    line = redact(_CONTROL.sub(" ", str(text)[: 20 * longest]))
    line = re.sub(r" {2,}", " ", line).strip()
    return line if len(line) <= longest else f"{line[: longest - 1].rstrip()}…"


def duration(seconds: float) -> str:
    """A duration as people read it: "4 s", "3 min 5 s", "2 h 10 min", "3 d 4 h"."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    for unit, size, small, small_size in (("d", 86_400, "h", 3600), ("h", 3600, "min", 60), ("min", 60, "s", 1)):
        if whole >= size:
            large, rest = divmod(whole, size)
            return f"{large} {unit} {rest // small_size} {small}" if rest // small_size else f"{large} {unit}"
    raise AssertionError(whole)


def count(number: int, noun: str, plural: str | None = None) -> str:
    """ "1 node", "3 nodes"."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


def listing(items: list[str], most: int = 5) -> str:
    """ "a", "a and b", "a, b and c"; of many the first ones and how many more."""
    if len(items) > most:
        return f"{', '.join(items[:most])} and {len(items) - most} more"
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}" if items else ""


def resource_word(resource: str, number: int | None = None) -> str:
    """A resource as people call it: "GPUs" for nvidia.com/gpu, "memory", "CPU"; any other stays as it is."""
    bare = resource.removeprefix("requests.").removeprefix("limits.")
    if bare in ("nvidia.com/gpu", "amd.com/gpu", "gpu.intel.com/i915", "nvidia.com/gpu.shared"):
        word = "GPU" if number == 1 else "GPUs"
        return f"shared {word}" if bare.endswith(".shared") else word
    return {
        "cpu": "CPU",
        "memory": "memory",
        "ephemeral-storage": "local disk",
        "pods": "pods",
        "count/pods": "pods",
        "count/jobs.batch": "jobs",
    }.get(bare, clean(bare, 80))


def who(worker: int, ranks_in_worker: int) -> str:
    """What a worker is called: by its rank where it is one."""
    return f"Rank {worker}" if ranks_in_worker == 1 else f"Worker {worker}"


def ordinal(number: int) -> str:
    """ "first", "second", "third", then "4th"; for small numbers as they occur here."""
    named = ("first", "second", "third")
    return named[number - 1] if 0 < number <= len(named) else f"{number}th"
