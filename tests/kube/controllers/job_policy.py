"""A Job's `podFailurePolicy`: what one pod's failure means. Pure.

Imitates: kubernetes.io/docs/concepts/workloads/controllers/job, pod failure policy: the first rule that matches
counts, by the container's exit code or the pod's condition; its words for the Job's condition.
Leaves out: FailIndex.
Held by: jobset-restarted-after-eviction (Count); FailJob and Ignore by test_fake_controllers.
"""

from __future__ import annotations

from ..store import Object


def judged(job: Object, pod: Object) -> tuple[str, str] | None:
    """The action of the first rule that a failed pod matches, and the message for the Job; None without a match."""
    for number, rule in enumerate((job["spec"].get("podFailurePolicy") or {}).get("rules") or []):
        action = rule["action"]
        name = f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
        codes = rule.get("onExitCodes")
        if codes:
            container = _container_matching(pod, codes)
            if container is not None:
                code = container["state"]["terminated"]["exitCode"]
                return action, (
                    f"Container {container['name']} for pod {name} failed with exit code {code} "
                    f"matching {action} rule at index {number}"
                )
        kind = _condition_matching(pod, rule.get("onPodConditions") or [])
        if kind is not None:
            return action, f"Pod {name} has condition {kind} matching {action} rule at index {number}"
    return None


def _container_matching(pod: Object, codes: Object) -> Object | None:
    status = pod.get("status", {})
    for container in [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]:
        end = container["state"].get("terminated")
        if end is None or end["exitCode"] == 0 or codes.get("containerName") not in (None, container["name"]):
            continue
        if (end["exitCode"] in codes["values"]) == (codes["operator"] == "In"):
            return container  # type: ignore[no-any-return]
    return None


def _condition_matching(pod: Object, patterns: list[Object]) -> str | None:
    conditions = pod.get("status", {}).get("conditions") or []
    for pattern in patterns:
        for each in conditions:
            if each["type"] == pattern["type"] and each["status"] == pattern.get("status", "True"):
                return str(each["type"])
    return None
