"""What the job carries along: the bundle has to fit into a ConfigMap."""

from __future__ import annotations

import io
import zipfile

from .....bundle import Bundle
from .....bundle.mistakes import lowered
from .....model.api import Finding, Level
from .....quantities import size_in_words
from .....text import listed
from .case import Case, error, note

LIMIT_BYTES = 900 * 1024
"""Most bytes of a bundle: a ConfigMap holds 1 MiB, and etcd 1.5 MiB of it as text."""
_NEAR = 0.8


def check(case: Case) -> list[Finding]:
    size = len(case.bundle.data)
    findings = [
        *lowered(case.bundle.findings),
        *(Finding(level=Level.WARNING, code="group_in_rank", text=text) for text in case.bundle.warnings),
        *(note("bundle", text) for text in case.bundle.notices),
    ]
    if size <= LIMIT_BYTES * _NEAR:
        return findings
    figures = f"The notebook and its files take {size_in_words(size)} of the {size_in_words(LIMIT_BYTES)}"
    text = f"{figures} that a ConfigMap carries. Largest: {listed(_largest(case.bundle))}."
    hint = "Leave large files out of `files`, and read them from a volume or in a staging step."
    if size > LIMIT_BYTES:
        return [*findings, error("bundle_too_large_for_cluster", text, hint, "files")]
    return [*findings, note("bundle_near_limit", text, hint, "files")]


def _largest(bundle: Bundle) -> list[str]:
    with zipfile.ZipFile(io.BytesIO(bundle.data)) as archive:
        entries = sorted(archive.infolist(), key=lambda entry: (-entry.compress_size, entry.filename))
    return [
        f"{entry.filename.removeprefix('job/files/')} ({size_in_words(entry.compress_size)})" for entry in entries[:5]
    ]
