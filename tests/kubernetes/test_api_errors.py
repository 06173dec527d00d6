"""Each refusal of an API server has its own error, in words that repeat no secret. Texts are those of 1.36."""

from __future__ import annotations

from typing import Any

import pytest

from mlk_jupyter.backends.kubernetes.api.api_errors import (
    AdmissionRefused,
    AlreadyThere,
    ApiError,
    Conflict,
    Expired,
    Forbidden,
    InvalidObject,
    LoginNeeded,
    NotFoundInCluster,
    PodSecurityViolation,
    QuotaExceeded,
    ServerTrouble,
    Throttled,
    TooLarge,
    error_of,
)
from mlk_jupyter.backends.kubernetes.api.redaction import redacted
from mlk_jupyter.errors import BackendUnavailable

FORBIDDEN = (
    'jobs.batch is forbidden: User "alice" cannot create resource "jobs" in API group "batch" in the namespace "ml"'
)
QUOTA = (
    'pods "p" is forbidden: exceeded quota: gpu, requested: requests.nvidia.com/gpu=1,'
    " used: requests.nvidia.com/gpu=4, limited: requests.nvidia.com/gpu=4"
)
SECURITY = (
    'pods "p" is forbidden: violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false '
    '(container "worker" must set securityContext.allowPrivilegeEscalation=false)'
)
POLICY = (
    "jobs.batch \"j\" is forbidden: ValidatingAdmissionPolicy 'owner' with binding 'owner' denied request: "
    "job belongs to bob"
)
TERMINATING = 'jobs.batch "j" is forbidden: unable to create new content in namespace ml because it is being terminated'
LIMIT = 'pods "p" is forbidden: maximum nvidia.com/gpu usage per Pod is 2.  No limit is specified'
ACCOUNT = 'pods "p" is forbidden: error looking up service account ml/nobody: serviceaccount "nobody" not found'
DUMP = (
    'Job.batch "j" is invalid: spec.template: Invalid value: core.PodTemplateSpec{ObjectMeta:v1.ObjectMeta{Name:""}, '
    'Spec:core.PodSpec{Containers:[]core.Container{core.Container{Env:[]core.EnvVar{core.EnvVar{Name:"DB", '
    'Value:"hunter2-canary"}}}}}}: field is immutable'
)


@pytest.mark.parametrize(
    ("status", "message", "reason", "kind", "words"),
    [
        (400, 'strict decoding error: unknown field "spec.foo"', "BadRequest", InvalidObject, "spec.foo"),
        (401, "Unauthorized", "Unauthorized", LoginNeeded, "credentials"),
        (403, FORBIDDEN, "Forbidden", Forbidden, "alice"),
        (403, QUOTA, "Forbidden", QuotaExceeded, "quota gpu is used up (GPUs: asks 1, 4 of 4 used)"),
        (403, SECURITY, "Forbidden", PodSecurityViolation, "allowPrivilegeEscalation"),
        (422, POLICY, "Invalid", AdmissionRefused, "job belongs to bob"),
        (403, POLICY, "Forbidden", AdmissionRefused, "job belongs to bob"),
        (
            400,
            'admission webhook "v.kb.io" denied the request: no',
            "BadRequest",
            AdmissionRefused,
            "v.kb.io refuses it",
        ),
        (403, TERMINATING, "Forbidden", Conflict, "terminated"),
        (403, LIMIT, "Forbidden", AdmissionRefused, "at most 2 of GPUs in this namespace; it says none"),
        (403, ACCOUNT, "Forbidden", AdmissionRefused, "no ServiceAccount nobody"),
        (404, 'pods "p" not found', "NotFound", NotFoundInCluster, "not found"),
        (409, 'jobs.batch "j" already exists', "AlreadyExists", AlreadyThere, "already exists"),
        (409, "the UID in the precondition (a) does not match the UID in record (b)", "Conflict", Conflict, "UID"),
        (410, "too old resource version: 530 (544)", "Expired", Expired, "530"),
        (413, "Request entity too large: limit is 3145728", "RequestEntityTooLarge", TooLarge, "3145728"),
        (
            422,
            'ConfigMap "c" is invalid: []: Too long: may not be more than 1048576 bytes',
            "Invalid",
            TooLarge,
            "1048",
        ),
        (422, "the server rejected our request due to an error in our request", "Invalid", Conflict, "replaced"),
        (429, "Too many requests, please try again later.", "", Throttled, "busy"),
        (500, 'failed calling webhook "w.x": connection refused', "InternalError", ServerTrouble, "webhook w.x"),
        (503, "etcdserver: leader changed", "ServiceUnavailable", ServerTrouble, "leader"),
        (504, "Too large resource version: 99, current: 4", "Timeout", Expired, "resource version"),
        (418, "I'm a teapot", "", ApiError, "418"),
    ],
)
def test_an_answer_of_the_server_becomes_its_own_error(
    status: int, message: str, reason: str, kind: type[ApiError], words: str
) -> None:
    error = error_of(status, {"kind": "Status", "message": message, "reason": reason, "code": status})
    assert type(error) is kind and words in error.detail and error.hint
    assert error.status_code == status and len(error.detail) <= 300


def test_a_missing_right_is_named_with_verb_and_resource() -> None:
    error = error_of(403, {"message": FORBIDDEN})
    assert isinstance(error, Forbidden) and (error.verb, error.resource) == ("create", "jobs.batch")
    core = error_of(403, {"message": 'pods "p" is forbidden: User "a" cannot get resource "pods/log" in API group ""'})
    assert isinstance(core, Forbidden) and (core.verb, core.resource) == ("get", "pods/log")


def test_fields_that_are_wrong_are_kept_apart() -> None:
    causes = [{"field": "spec.completions"}, {"field": "spec.completions"}, {"field": "spec.parallelism"}]
    error = error_of(422, {"message": "Job is invalid", "details": {"causes": causes}})
    assert isinstance(error, InvalidObject) and error.paths == ["spec.completions", "spec.parallelism"]


def test_waiting_as_long_as_the_server_asks_is_possible() -> None:
    busy = error_of(429, "Too many requests", "7")
    assert isinstance(busy, Throttled) and busy.retry_after_s == 7
    assert error_of(429, "", "Wed, 21 Oct 2026 07:28:00 GMT").status == 503


def test_an_outage_counts_as_a_backend_that_does_not_answer() -> None:
    assert all(isinstance(error_of(status, ""), BackendUnavailable) for status in (429, 500, 502, 503))


def test_a_web_page_in_place_of_an_answer_is_said_to_be_one() -> None:
    error = error_of(502, "<!DOCTYPE html><html><head><title>Bad Gateway</title></head><body>nginx</body></html>")
    assert isinstance(error, ServerTrouble) and "web page" in error.detail and "Bad Gateway" in error.detail
    assert "<" not in error.detail


SECRETS: list[Any] = [
    DUMP,
    'spec: Invalid value: {"env":[{"name":"DB","value":"hunter2-canary"}]}: bad',
    'error decoding: json: x, error found in #10 byte of ...|"value":"hunter2-canary"|..., bigger context ...|x|...',
    'Get "https://bob:hunter2-canary@proxy.example/api": dial tcp',
    "Authorization: Bearer hunter2-canary",
    'token="hunter2-canary"',
    "password: 'hunter2-canary and more",
    'Invalid value: core.EnvVar{Name:"A", Value:"hunter2-canary',
]


@pytest.mark.parametrize("text", SECRETS)
def test_no_value_of_a_pod_gets_into_an_error(text: str) -> None:
    for status in (400, 403, 409, 422, 500):
        error = error_of(status, {"message": text})
        assert "canary" not in str(error.as_dict()) + repr(error)


def test_what_a_person_needs_survives_redaction() -> None:
    assert redacted(DUMP).endswith("Invalid value: core.PodTemplateSpec{…}: field is immutable")
    assert redacted('unknown field "spec.activeDeadlineSecond"') == 'unknown field "spec.activeDeadlineSecond"'


def test_a_text_is_cut_and_stands_on_one_line() -> None:
    text = redacted("a\x1b[31m\nb " * 500)
    assert 290 < len(text) <= 300 and text.endswith("…") and "\n" not in text and "\x1b" not in text
