"""Of several jobs of one name, only one that was shown can be chosen."""

from __future__ import annotations

import io
import sys

import pytest

from mlk_jupyter.cli.which import which
from mlk_jupyter.library import SeveralJobs
from mlk_jupyter.model import JobSpec, JobStatus, Phase


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def many(count: int) -> SeveralJobs:
    spec = JobSpec(name="pi", notebook="pi.ipynb")
    jobs = [
        JobStatus.of(spec, id=f"pi-{number:02}", backend="local", phase=Phase.SUCCEEDED, created_at=1.0).summary()
        for number in range(count)
    ]
    return SeveralJobs("pi", jobs)


@pytest.mark.parametrize(("typed", "chosen"), [("1", "pi-00"), ("20", "pi-19"), ("21", None), ("0", None), ("", None)])
def test_a_job_that_is_not_shown_cannot_be_chosen(
    monkeypatch: pytest.MonkeyPatch, typed: str, chosen: str | None
) -> None:
    screen = Terminal()
    monkeypatch.setattr(sys, "stdin", Terminal(typed + "\n"))
    monkeypatch.setattr(sys, "stderr", screen)
    several = many(23)
    if chosen is None:
        with pytest.raises(SeveralJobs):
            which(several, several.named)
    else:
        assert which(several, several.named).id == chosen
    lines = screen.getvalue().splitlines()
    assert any(line.lstrip().startswith("20  pi-19") for line in lines)
    assert any(line.strip() == "and 3 more" for line in lines)
