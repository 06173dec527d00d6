"""Every error of ours can be told apart, shown, and acted on."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from idleservers import kernel, server

import mlk_jupyter
from mlk_jupyter.backends.base import Refused
from mlk_jupyter.backends.choosing import NoCluster, NoKubernetesPackage
from mlk_jupyter.backends.kubernetes.api import api_errors
from mlk_jupyter.backends.kubernetes.api.admission import Refusal
from mlk_jupyter.backends.kubernetes.api.kubeconfig import BrokenKubeconfig, UnknownContext
from mlk_jupyter.backends.kubernetes.api.plugin import PluginFailed
from mlk_jupyter.backends.kubernetes.cluster import NoName
from mlk_jupyter.backends.kubernetes.kinds.registry import KindUnavailable
from mlk_jupyter.backends.kubernetes.lifecycle.creation import NameTaken, SubmissionUnknown
from mlk_jupyter.backends.kubernetes.lifecycle.removal import NotGone
from mlk_jupyter.backends.kubernetes.lifecycle.submission import NoImage
from mlk_jupyter.backends.kubernetes.manifests.render_context import AnnotationsTooLarge
from mlk_jupyter.bundle import BundleTooLarge, UnknownParameter
from mlk_jupyter.cli.kernels import NotWatched, SeveralKernels
from mlk_jupyter.client import JobFailed, JobStopped, RemoteError, StillGoing, ValuesMissing
from mlk_jupyter.errors import JobNotFound, MlkError
from mlk_jupyter.idle.refusals import BeingStopped, NoSuchKernel, NoSuchNotice, NotOurs
from mlk_jupyter.library import NoSuchRank, SeveralJobs
from mlk_jupyter.magics.profiles import ProfilesUnreadable
from mlk_jupyter.model import JobSpec, JobStatus, Phase
from mlk_jupyter.model.api import Finding, Level, Preflight
from mlk_jupyter.record.folder import RecordUnwritable
from mlk_jupyter.record.notebook import NoNotebook
from mlk_jupyter.runs.local_server import TrackingStarting
from mlk_jupyter.server.base import BodyTooLarge, LoginUnavailable
from mlk_jupyter.server.jobs import RequestUsed
from mlk_jupyter.server.outputs import NoOutput

REFUSAL = Refusal("policy_refused", "the policy gpu-policy refuses it", "Ask an administrator.")
JOB = JobStatus(
    id="a",
    name="a",
    notebook="a.ipynb",
    backend="local",
    phase=Phase.RUNNING,
    created_at=0.0,
    spec=JobSpec(name="a", notebook="a.ipynb"),
)
# Those that find their own words. The others are given a hint by whoever raises them.
WORDED: dict[type[MlkError], Callable[[], MlkError]] = {
    BodyTooLarge: BodyTooLarge,
    LoginUnavailable: LoginUnavailable,
    BeingStopped: lambda: BeingStopped("a"),
    NoSuchKernel: lambda: NoSuchKernel("a"),
    NoSuchNotice: lambda: NoSuchNotice("a"),
    NotOurs: lambda: NotOurs("a"),
    SeveralJobs: lambda: SeveralJobs("a", [JOB.summary(), JOB.summary()]),
    RequestUsed: lambda: RequestUsed(JOB),
    AnnotationsTooLarge: lambda: AnnotationsTooLarge(2, "mlk-jupyter.io/spec"),
    api_errors.AdmissionRefused: lambda: api_errors.AdmissionRefused(REFUSAL),
    api_errors.Forbidden: lambda: api_errors.Forbidden("No.", verb="create", resource="jobs.batch"),
    api_errors.InvalidObject: lambda: api_errors.InvalidObject("No.", paths=["spec"]),
    api_errors.PodSecurityViolation: lambda: api_errors.PodSecurityViolation(REFUSAL),
    api_errors.QuotaExceeded: lambda: api_errors.QuotaExceeded(REFUSAL),
    api_errors.Throttled: lambda: api_errors.Throttled("Too many.", retry_after_s=1.0),
    ProfilesUnreadable: lambda: ProfilesUnreadable(Path("profiles.json"), "it is no JSON"),
    BrokenKubeconfig: lambda: BrokenKubeconfig(Path("config"), "it is no YAML"),
    BundleTooLarge: lambda: BundleTooLarge(2, 1, [("large.csv", 2)]),
    KindUnavailable: lambda: KindUnavailable("jobset", ["job"]),
    NameTaken: lambda: NameTaken("Job", "digits-1"),
    NoCluster: lambda: NoCluster("There is none."),
    NoImage: NoImage,
    NoKubernetesPackage: NoKubernetesPackage,
    NoName: NoName,
    NotGone: lambda: NotGone("digits-1", ["digits-1-0-abcde"], ["Nothing has asked it to end."]),
    PluginFailed: lambda: PluginFailed("aws", "exit code 255"),
    RecordUnwritable: lambda: RecordUnwritable(OSError(28, "No space left on device"), Path("jobs")),
    SubmissionUnknown: lambda: SubmissionUnknown("digits-1", api_errors.Unreachable("It is gone.", hint="Wait.")),
    UnknownContext: lambda: UnknownContext("prodd", ["prod"]),
    JobFailed: lambda: JobFailed("digits-1", "It ran out of memory."),
    JobStopped: lambda: JobStopped("digits-1", None),
    RemoteError: lambda: RemoteError("digits-1", "Odd", "17", "Traceback", 0, 2),
    ValuesMissing: lambda: ValuesMissing("digits-1", {"model": "It is too large."}, {}),
    StillGoing: lambda: StillGoing("digits-1", "Running", None, 3),
    JobNotFound: lambda: JobNotFound("digits"),
    NoNotebook: lambda: NoNotebook("digits-1"),
    NoOutput: lambda: NoOutput("digits-1", "cell-0-output-1.png"),
    NotWatched: lambda: NotWatched("train.ipynb", 0),
    SeveralKernels: lambda: SeveralKernels("train", [(server(), kernel())]),
    NoSuchRank: lambda: NoSuchRank(4, 4),
    Refused: lambda: Refused(
        Preflight(ok=False, findings=[Finding(level=Level.ERROR, code="full", text="It is full.")])
    ),
    TrackingStarting: TrackingStarting,
    UnknownParameter: lambda: UnknownParameter("lrr", ["lr"]),
}


def every_class() -> list[type[MlkError]]:
    """All errors, whichever module defines them. What runs inside a job has none: it imports nothing of ours."""
    for module in pkgutil.walk_packages(mlk_jupyter.__path__, "mlk_jupyter."):
        if not module.name.startswith("mlk_jupyter.worker"):
            importlib.import_module(module.name)
    return sorted(set(below(MlkError)), key=lambda kind: kind.__name__)  # a class may be below two others


def below(kind: type[MlkError]) -> Iterator[type[MlkError]]:
    for sub in kind.__subclasses__():
        if sub.__module__.startswith("mlk_jupyter."):
            yield sub
            yield from below(sub)


ERRORS = every_class()


def test_no_two_errors_bear_the_same_code() -> None:
    codes = Counter(kind.code for kind in [MlkError, *ERRORS])
    assert len(ERRORS) > 20 and [code for code, count in codes.items() if count > 1] == []


@pytest.mark.parametrize("kind", ERRORS)
def test_an_error_says_what_happened_and_fits_a_status(kind: type[MlkError]) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9_]*", kind.code) and "code" in vars(kind)
    assert kind.title and kind.title != MlkError.title and not kind.title.endswith(".")
    assert 400 <= kind.status < 600
    assert kind.__doc__ and kind.__doc__ != MlkError.__doc__


@pytest.mark.parametrize("kind", ERRORS)
def test_no_error_comes_without_a_hint(kind: type[MlkError]) -> None:
    hint = inspect.signature(kind).parameters.get("hint")
    if hint is not None:
        assert hint.default is inspect.Parameter.empty
    else:
        error = WORDED[kind]()
        assert error.hint and error.detail and error.as_dict()["code"] == kind.code
