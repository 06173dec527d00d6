"""Who submitted a job, where several people share one login of the cluster."""

from __future__ import annotations

from pathlib import Path

import pytest
from submission import asked, render

from mlk_jupyter.backends.kubernetes.lifecycle.submission import first_status, for_request
from mlk_jupyter.backends.kubernetes.recording import merging
from mlk_jupyter.backends.kubernetes.status.submitted import submitted
from mlk_jupyter.record.folder import JobFolder


@pytest.mark.parametrize("kind", ["job", "jobset"])
@pytest.mark.parametrize("name", ["bob", None])
def test_it_stands_with_the_job_in_the_cluster_for_whoever_finds_it_there(
    kind: str, name: str | None, tmp_path: Path
) -> None:
    context = for_request(asked(), "request-2", name)
    assert first_status(context, JobFolder(tmp_path), "kubernetes").submitted_by == name
    found = submitted(render(context, kind)[0])
    assert found is not None and found.submitted_by == name
    assert merging.first_status(found, "kubernetes", JobFolder(tmp_path)).submitted_by == name
