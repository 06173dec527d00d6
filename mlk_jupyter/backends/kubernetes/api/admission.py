"""Why an API server does not admit an object, by its message: quotas, limits, security, policies, references. Pure.

One table for all who meet such a message: the caller whose call is refused, the preflight whose dry run is, and whoever
reads the FailedCreate event of a Job, whose pods are refused after it was created.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from ....quantities import resource_word
from ....text import listed
from .redaction import redacted

_ENTRY = re.compile(r"([\w./-]+)=([\w.+-]+)")
_FIELD = re.compile(r"([^,()]+?)(?: \(([^()]*(?:\([^()]*\)[^()]*)*)\))?(?:, |$)")


@dataclass(frozen=True)
class Refusal:
    """What the server said, in words of ours."""

    code: str
    text: str
    """A clause of at most 300 characters without a full stop, which may follow "Waiting: "."""
    hint: str


def refusal_of(message: str) -> Refusal | None:
    """What a message of the API server says of admission; None when that is nothing that is known."""
    message = message[:20_000]
    for pattern, code, words in _TABLE:
        match = pattern.search(message)
        if match:
            text, hint = words(match)
            return Refusal(code, redacted(text), hint)
    return None


def _quota(match: re.Match[str]) -> tuple[str, str]:
    asked, used, hard = (dict(_ENTRY.findall(match[part])) for part in (2, 3, 4))
    parts = [
        f"{resource_word(resource)}: asks {amount}, {used.get(resource, '?')} of {hard.get(resource, '?')} used"
        for resource, amount in asked.items()
    ]
    return (
        f"the quota {match[1]} is used up ({'; '.join(parts)})",
        "Wait until others in this namespace are done, ask for less, or have the quota raised.",
    )


def _quota_needs(match: re.Match[str]) -> tuple[str, str]:
    return f"the quota {match[1]} wants every pod to say {match[2]}", "Give the job CPU and memory."


def _range(match: re.Match[str]) -> tuple[str, str]:
    bound = f"{'at most' if match[1] == 'maximum' else 'at least'} {match[4]} of {resource_word(match[2])}"
    has = f"it has {match[5]}" if match[5] else "it says none"
    return f"a {match[3].lower()} may have {bound} in this namespace; {has}", f"Ask for {bound} per worker."


def _ratio(match: re.Match[str]) -> tuple[str, str]:
    most, given = f"may be at most {match[2]} times what is requested", f"it is {match[3]} times"
    hint = "Ask for amounts whose limit and request are the same."
    return f"the limit of {resource_word(match[1])} {most}; {given}", hint


def _security(match: re.Match[str]) -> tuple[str, str]:
    fields = [redacted(found[0], 80) for found in _FIELD.findall(match[2]) if found[0].strip()]
    return (
        f"the namespace enforces Pod Security {match[1]}, which forbids: {listed(fields, 8)}",
        "Run as `restricted` (run_as), or use a namespace that allows more.",
    )


def _openshift(match: re.Match[str]) -> tuple[str, str]:
    return (
        f"no security context constraint allows its pods: {match[1]}",
        "Ask an administrator which user and rights pods may have here.",
    )


def _policy(match: re.Match[str]) -> tuple[str, str]:
    said = match[2].strip(" :")
    why = f": {said}" if said else " without a reason"
    return f"the policy {match[1]} refuses it{why}", "Change what the policy names, or ask an administrator."


def _webhook_down(match: re.Match[str]) -> tuple[str, str]:
    return (
        f"the admission webhook {match[1]} does not answer, so nothing can be created: {match[2].strip(' :')}",
        "It is tried again by itself. If it lasts, tell an administrator the webhook's name.",
    )


def _account(match: re.Match[str]) -> tuple[str, str]:
    return f"there is no ServiceAccount {match[1]} in this namespace", "Correct its name, or leave it out."


def _priority(match: re.Match[str]) -> tuple[str, str]:
    return f"there is no PriorityClass {match[1]} in this cluster", "Correct its name, or leave it out."


def _terminating(match: re.Match[str]) -> tuple[str, str]:
    return f"the namespace {match[1]} is being deleted; nothing can be created in it", "Use another namespace."


_TABLE: tuple[tuple[re.Pattern[str], str, Callable[[re.Match[str]], tuple[str, str]]], ...] = tuple(
    (re.compile(pattern, re.DOTALL), code, words)
    for pattern, code, words in (
        (r"exceeded quota: ([\w.-]+), requested: (.*?), used: (.*?), limited: (.*)", "quota_exceeded", _quota),
        (r"failed quota: ([\w.-]+): must specify (.*)", "quota_needs_requests", _quota_needs),
        (r'violates PodSecurity "([^"]+)": (.*)', "pod_security", _security),
        (r"unable to validate against any security context constraint: (.*)", "pod_security", _openshift),
        (r'admission webhook "([^"]+)" denied the request(?: without explanation)?:?(.*)', "policy_refused", _policy),
        (r'failed calling webhook "([^"]+)":?(.*)', "webhook_down", _webhook_down),
        (r"ValidatingAdmissionPolicy '([^']+)'.*?denied request:?(.*)", "policy_refused", _policy),
        (
            r"(maximum|minimum) ([\w./-]+) usage per (\w+) is ([\w.]*\w)(?:, but (?:limit|request) is ([\w.]+))?",
            "limit_range",
            _range,
        ),
        (
            r"([\w./-]+) max limit to request ratio per \w+ is ([\w.]+), but provided ratio is ([\w.]+)",
            "limit_range",
            _ratio,
        ),
        (r"error looking up service account [\w.-]+/([\w.-]+)", "service_account_not_found", _account),
        (r"no PriorityClass with name ([\w.-]+) was found", "priority_class_not_found", _priority),
        (r"namespace ([\w.-]+) because it is being terminated", "namespace_terminating", _terminating),
    )
)
