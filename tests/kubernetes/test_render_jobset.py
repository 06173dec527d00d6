"""A job as a JobSet: when it is started again, and what its pods are called."""

from __future__ import annotations

import pytest
from submission import asked, env_of, pod_of, render, spec


def restarts(conditions: list[str], code: int | None, reason: str | None = None) -> bool:
    """Whether a JobSet starts again after a pod failed so, by Kubernetes' documented order of evaluation."""
    owner = render(asked(spec(cluster={"retries": 2})), "jobset")[0]
    child = owner["spec"]["replicatedJobs"][0]["template"]["spec"]
    assert child["backoffLimit"] == 0
    job_reason = reason or "BackoffLimitExceeded"
    for rule in child["podFailurePolicy"]["rules"]:
        by_condition = any(pattern["type"] in conditions for pattern in rule.get("onPodConditions", []))
        codes = rule.get("onExitCodes")
        by_code = bool(code and codes and (code in codes["values"]) is (codes["operator"] == "In"))
        if by_condition or by_code:
            job_reason = "PodFailurePolicy" if rule["action"] == "FailJob" else job_reason
            break
    rules = owner["spec"]["failurePolicy"]["rules"]
    action = next((rule["action"] for rule in rules if job_reason in rule["onJobFailureReasons"]), "RestartJobSet")
    return action == "RestartJobSet"


@pytest.mark.parametrize("code", [1, 2, 3, 127, 134, 137, 139, 143])
def test_a_job_set_is_not_started_again_after_the_notebooks_own_failure(code: int) -> None:
    assert not restarts([], code)
    assert restarts(["DisruptionTarget"], code)


def test_a_job_set_is_started_again_after_a_disruption_wherever_it_is_noticed_first() -> None:
    assert restarts(["DisruptionTarget"], None)  # the node is gone
    assert restarts([], 75)  # the connection to a rank that was preempted
    assert not restarts([], None, "DeadlineExceeded")


def test_a_job_set_names_its_pods_and_keeps_no_second_record() -> None:
    owner, bundle = render(asked(spec(cluster={"retries": 2})), "jobset")
    found = owner["spec"]
    assert found["network"] == {
        "enableDNSHostnames": True,
        "subdomain": "digits-0123456789",
        "publishNotReadyAddresses": True,
    }
    assert found["failurePolicy"]["maxRestarts"] == 2 and found["ttlSecondsAfterFinished"] == 604_800
    child = found["replicatedJobs"][0]
    assert child["replicas"] == 1 and "ttlSecondsAfterFinished" not in child["template"]["spec"]
    container = pod_of(owner)["spec"]["containers"][0]
    assert env_of(container)["MASTER_ADDR"] == "digits-0123456789-worker-0-0.digits-0123456789"
    assert bundle["kind"] == "ConfigMap" and "subdomain" not in pod_of(owner)["spec"]
