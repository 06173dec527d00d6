"""Why the cluster refuses to create a pod. Pure.

Such a Job has no pod and no condition: only the FailedCreate events of its Job tell.
"""

from __future__ import annotations

import re

from ..... import quantities
from .....model import Reason
from .....text import sentences
from ...api.admission import refusal_of
from .messages import clean

_PREFIX = re.compile(r"^Error creating: (?:pods? \"[^\"]*\" is forbidden: |Pod \"[^\"]*\" is invalid: )?")

_QUOTA = re.compile(r"exceeded quota: [\w.-]+, requested: (.*?), used: .*?, limited: (.*)", re.DOTALL)
_AMOUNT = re.compile(r"([\w./-]+)=([\w.]+)")


def explain_refused(message: str, workers: int) -> Reason:
    """Words for the refusal of one of so many pods, as it stands in a FailedCreate event."""
    refusal = refusal_of(message)
    if refusal is not None:
        never = refusal.code == "quota_exceeded" and _never_fit(message, workers)
        hint = "It never has room for all workers at once: ask for fewer or less, or have the quota raised."
        return Reason(
            code=refusal.code, text=sentences(f"Waiting: {refusal.text}"), hint=hint if never else refusal.hint
        )
    return Reason(
        code="pod_refused",
        text=f"Waiting: the cluster refuses its pods: {clean(_PREFIX.sub('', message), 240)}",
        hint="Change what was asked for, or ask an administrator.",
    )


def _never_fit(message: str, workers: int) -> bool:
    """Whether a quota is smaller than all workers of the job together."""
    told = _QUOTA.search(message)
    if told is None:
        return False
    asked, hard = (dict(_AMOUNT.findall(part)) for part in (told[1], told[2]))
    for resource, amount in asked.items():
        each, most = quantities.find(amount), quantities.find(hard.get(resource))
        if each is not None and most is not None and each * workers > most:
            return True
    return False
