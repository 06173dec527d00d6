"""The newest jobs of a cluster that has many: as in the whole list, and of the others nothing is worked out."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from clusterjobs import NAMESPACE, Desk
from kube import names
from kube.cluster import FakeCluster
from submission import asked

from mlk_jupyter.backends.kubernetes import backend as backends
from mlk_jupyter.backends.kubernetes.kinds.registry import kinds
from mlk_jupyter.backends.kubernetes.labels import SPEC
from mlk_jupyter.backends.kubernetes.resources import Objects
from mlk_jupyter.model import JobSummary

JOBS = 12
BEGUN = datetime(2027, 1, 15, 8, tzinfo=timezone.utc)


@pytest.fixture
def many(
    fake_api: FakeCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_notebook: Callable[..., Any]
) -> Iterator[Desk]:
    """A cluster with jobs that nobody here has seen, the first two of the same second."""
    for number in range(JOBS):
        fake_api.store.now = functools.partial(lambda at: at, BEGUN + timedelta(seconds=max(1, number)))
        job = asked(id=f"digits-{(7 * number) % JOBS:010x}", namespace=NAMESPACE, user="ada")
        fake_api.store.create(names.JOBS, kinds()["job"].manifests(job)[0])
    monkeypatch.setenv("KUBECONFIG", str(fake_api.kubeconfig))
    desk = Desk(fake_api, tmp_path, make_notebook, watching=False)
    yield desk
    desk.close()


@pytest.mark.parametrize("count", [0, 1, JOBS - 1, JOBS, JOBS + 1])
def test_the_newest_are_the_first_of_all(many: Desk, count: int) -> None:
    every = many.do(many.backend.jobs())
    assert len(every) == JOBS
    assert many.do(many.backend.newest(count)) == (every[:count], JOBS)


def test_of_the_others_nothing_is_worked_out(many: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    judged, summary_of = [], backends.summary_of

    def noted(objects: Objects, *more: Any) -> JobSummary | None:
        judged.append(objects.job_id)
        return summary_of(objects, *more)

    monkeypatch.setattr(backends, "summary_of", noted)
    shown, total = many.do(many.backend.newest(3))
    assert total == JOBS and sorted(judged) == sorted(job.id for job in shown) and len(shown) == 3


def test_what_does_not_say_how_it_was_submitted_is_no_job(many: Desk) -> None:
    def edit(job: dict[str, Any]) -> None:
        del job["metadata"]["annotations"][SPEC]

    newest = many.do(many.backend.newest(1))[0][0].id
    many.cluster.store.change(names.JOBS, NAMESPACE, newest, edit)
    shown, total = many.do(many.backend.newest(1))
    assert total == JOBS - 1 and shown[0].id != newest
