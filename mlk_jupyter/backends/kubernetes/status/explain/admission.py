"""Why the cluster refuses to create a pod: quota, limits, security, webhooks. Pure.

Such a Job has no pod and no condition: only the FailedCreate events of its Job tell.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from .....model import Reason
from .messages import clean, listing, resource_word

_PREFIX = re.compile(r"^Error creating: (?:pods? \"[^\"]*\" is forbidden: |Pod \"[^\"]*\" is invalid: )?")
_ENTRY = re.compile(r"([\w./-]+)=([\w.+-]+)")

_QUOTA = re.compile(r"exceeded quota: ([\w.-]+), requested: (.*?), used: (.*?), limited: (.*)", re.DOTALL)
_QUOTA_NEEDS = re.compile(r"failed quota: ([\w.-]+): must specify (.*)", re.DOTALL)
_RANGE = re.compile(
    r"(maximum|minimum) ([\w./-]+) usage per (\w+) is ([\w.]+)(?:, but (?:limit|request) is ([\w.]+)|\.? *No limit)?"
)
_RATIO = re.compile(r"([\w./-]+) max limit to request ratio per \w+ is ([\w.]+), but provided ratio is ([\w.]+)")
_SECURITY = re.compile(r"violates PodSecurity \"([^\"]+)\": (.*)", re.DOTALL)
_OPENSHIFT = re.compile(r"unable to validate against any security context constraint: (.*)", re.DOTALL)
_DENIED = re.compile(r"admission webhook \"([^\"]+)\" denied the request(?: without explanation)?:?(.*)", re.DOTALL)
_DOWN = re.compile(r"failed calling webhook \"([^\"]+)\":?(.*)", re.DOTALL)
_POLICY = re.compile(r"ValidatingAdmissionPolicy '([^']+)'.*?denied request:?(.*)", re.DOTALL)
_ACCOUNT = re.compile(r"error looking up service account [\w.-]+/([\w.-]+)")
_PRIORITY = re.compile(r"no PriorityClass with name ([\w.-]+) was found")
_TERMINATING = re.compile(r"namespace ([\w.-]+) because it is being terminated")
_FIELD = re.compile(r"([^,()]+?)(?: \(([^()]*(?:\([^()]*\)[^()]*)*)\))?(?:, |$)")


def explain_refused(message: str) -> Reason:
    """Words for the refusal of a pod, as it stands in a FailedCreate event."""
    message = message[:20_000]
    for pattern, words in _WORDS:
        match = pattern.search(message)
        if match:
            return words(match)
    return Reason(
        code="pod_refused",
        text=f"Waiting: the cluster refuses its pods: {clean(_PREFIX.sub('', message), 240)}",
        hint="Change what was asked for, or ask an administrator.",
    )


def _quota(match: re.Match[str]) -> Reason:
    name = clean(match[1], 100)
    asked, used, hard = (dict(_ENTRY.findall(match[part])) for part in (2, 3, 4))
    parts = [
        f"{resource_word(resource)}: asks {amount}, {used.get(resource, '?')} of {hard.get(resource, '?')} used"
        for resource, amount in asked.items()
    ]
    return Reason(
        code="quota_exceeded",
        text=clean(f"Waiting: the quota {name} is used up ({'; '.join(parts)})."),
        hint="Wait until others in this namespace are done, ask for less, or have the quota raised.",
    )


def _quota_needs(match: re.Match[str]) -> Reason:
    return Reason(
        code="quota_needs_requests",
        text=f"Waiting: the quota {clean(match[1], 100)} wants every pod to say {clean(match[2], 150)}.",
        hint="Give the job CPU and memory.",
    )


def _range(match: re.Match[str]) -> Reason:
    per = match[3].lower()
    which = "at most" if match[1] == "maximum" else "at least"
    asked = f"; it has {match[5]}" if match[5] else "; it says none"
    return Reason(
        code="limit_range",
        text=f"Waiting: a {per} may have {which} {match[4]} of {resource_word(match[2])} in this namespace{asked}.",
        hint=f"Ask for {which} {match[4]} of {resource_word(match[2])} per worker.",
    )


def _ratio(match: re.Match[str]) -> Reason:
    return Reason(
        code="limit_range",
        text=f"Waiting: the limit of {resource_word(match[1])} may be at most {match[2]} times what is requested; "
        f"it is {match[3]} times.",
        hint="Ask for amounts whose limit and request are the same.",
    )


def _security(match: re.Match[str]) -> Reason:
    fields = [clean(found[0], 80) for found in _FIELD.findall(match[2]) if found[0].strip()]
    return Reason(
        code="pod_security",
        text=clean(f"Waiting: the namespace enforces Pod Security {match[1]}, which forbids: {listing(fields, 8)}."),
        hint="Run as `restricted` (run_as), or use a namespace that allows more.",
    )


def _openshift(match: re.Match[str]) -> Reason:
    return Reason(
        code="pod_security",
        text=f"Waiting: no security context constraint allows its pods: {clean(match[1], 200)}",
        hint="Ask an administrator which user and rights pods may have here.",
    )


def _denied(match: re.Match[str]) -> Reason:
    said = clean(match[2].strip(" :"), 200)
    return Reason(
        code="policy_refused",
        text=f"Waiting: the policy {clean(match[1], 100)} refuses its pods{f': {said}' if said else '.'}",
        hint="Change what the policy names, or ask an administrator.",
    )


def _down(match: re.Match[str]) -> Reason:
    return Reason(
        code="webhook_down",
        text=f"Waiting: the admission webhook {clean(match[1], 100)} does not answer, so no pod can be created: "
        f"{clean(match[2].strip(' :'), 130)}",
        hint="It is tried again by itself. If it lasts, tell an administrator the webhook's name.",
    )


def _account(match: re.Match[str]) -> Reason:
    return Reason(
        code="service_account_not_found",
        text=f"Waiting: there is no ServiceAccount {clean(match[1], 100)} in this namespace.",
        hint="Correct its name, or leave it out.",
    )


def _priority(match: re.Match[str]) -> Reason:
    return Reason(
        code="priority_class_not_found",
        text=f"Waiting: there is no PriorityClass {clean(match[1], 100)} in this cluster.",
        hint="Correct its name, or leave it out.",
    )


def _terminating(match: re.Match[str]) -> Reason:
    return Reason(
        code="namespace_terminating",
        text=f"Waiting: the namespace {clean(match[1], 100)} is being deleted; nothing can be created in it.",
        hint="Use another namespace.",
    )


_WORDS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], Reason]], ...] = (
    (_QUOTA, _quota),
    (_QUOTA_NEEDS, _quota_needs),
    (_SECURITY, _security),
    (_OPENSHIFT, _openshift),
    (_DENIED, _denied),
    (_DOWN, _down),
    (_POLICY, _denied),
    (_RANGE, _range),
    (_RATIO, _ratio),
    (_ACCOUNT, _account),
    (_PRIORITY, _priority),
    (_TERMINATING, _terminating),
)
