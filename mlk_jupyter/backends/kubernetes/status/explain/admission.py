"""Why the cluster refuses to create a pod. Pure.

Such a Job has no pod and no condition: only the FailedCreate events of its Job tell.
"""

from __future__ import annotations

import re

from .....model import Reason
from .....text import sentences
from ...api.admission import refusal_of
from .messages import clean

_PREFIX = re.compile(r"^Error creating: (?:pods? \"[^\"]*\" is forbidden: |Pod \"[^\"]*\" is invalid: )?")


def explain_refused(message: str) -> Reason:
    """Words for the refusal of a pod, as it stands in a FailedCreate event."""
    refusal = refusal_of(message)
    if refusal is not None:
        return Reason(code=refusal.code, text=sentences(f"Waiting: {refusal.text}"), hint=refusal.hint)
    return Reason(
        code="pod_refused",
        text=f"Waiting: the cluster refuses its pods: {clean(_PREFIX.sub('', message), 240)}",
        hint="Change what was asked for, or ask an administrator.",
    )
