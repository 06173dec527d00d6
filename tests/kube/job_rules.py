"""What a Job may say."""

from __future__ import annotations

import json

from . import pod_rules, words
from .store import Object

FIXED = ("completions", "selector", "completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy")
NOT_NEGATIVE = ("parallelism", "completions", "backoffLimit", "activeDeadlineSeconds", "ttlSecondsAfterFinished",
                "backoffLimitPerIndex", "maxFailedIndexes")  # fmt: skip
SCHEDULING = ("nodeSelector", "affinity", "tolerations", "schedulingGates")
"""Of the template of a suspended Job these may change (and labels and annotations), so that queues can place it."""


def job(new: Object) -> list[str]:
    """What is wrong with a Job."""
    spec, name = new["spec"], new["metadata"]["name"]
    errors = [
        f"spec.{field}: Invalid value: {spec[field]}: must be greater than or equal to 0"
        for field in NOT_NEGATIVE
        if (spec.get(field) or 0) < 0
    ]
    indexed = spec.get("completionMode") == "Indexed"
    if indexed:
        errors += _indexed(spec, name)
    elif spec.get("backoffLimitPerIndex") is not None:
        said = spec["backoffLimitPerIndex"]
        errors.append(f"spec.backoffLimitPerIndex: Invalid value: {said}: requires indexed completion mode")
    template = spec.get("template") or {}
    meta = template.get("metadata") or {}
    for field in ("labels",):
        for key, value in (meta.get(field) or {}).items():
            path = f"spec.template.{field}"
            errors += [f'{path}: Invalid value: "{key}": {w}' for w in words.qualified_name(key)]
            errors += [f"{path}: Invalid value: {json.dumps(value)}: {w}" for w in words.label_value(value)]
    for w in words.label_value(name):  # the server labels the pods with it
        errors.append(f'spec.template.labels: Invalid value: "{name}": {w}')
    errors += pod_rules.spec(template.get("spec") or {}, "spec.template.spec")
    policy = (template.get("spec") or {}).get("restartPolicy")
    if policy not in ("OnFailure", "Never"):
        errors.append('spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"')
    if spec.get("podFailurePolicy"):
        errors += _failure_policy(spec, template.get("spec") or {})
    if len(spec.get("managedBy") or "") > 63:
        errors.append("spec.managedBy: Too long: may not be more than 63 bytes")
    return errors


def _indexed(spec: Object, name: str) -> list[str]:
    if spec.get("completions") is None:
        return ["spec.completions: Required value: when completion mode is Indexed"]
    errors = []
    if spec["parallelism"] > 100_000:
        errors.append(f"spec.parallelism: Invalid value: {spec['parallelism']}: must be less than or equal to 100000 "
                      "when completion mode is Indexed and backoffLimitPerIndex is not set")  # fmt: skip
    host = f"{name}-{spec['completions'] - 1}"
    if spec["completions"] > 0 and words.dns_label(host):
        errors.append(f'metadata.name: Invalid value: "{name}": will not able to create pod with invalid DNS label: '
                      f"{host}")  # fmt: skip
    return errors


def _failure_policy(spec: Object, template: Object) -> list[str]:
    errors = []
    if template.get("restartPolicy") != "Never":
        said = template.get("restartPolicy")
        errors.append(f'spec.template.spec.restartPolicy: Invalid value: "{said}": only "Never" is supported when '
                      "podFailurePolicy is specified")  # fmt: skip
    if spec.get("podReplacementPolicy") != "Failed":
        errors.append(f'spec.podReplacementPolicy: Unsupported value: "{spec.get("podReplacementPolicy")}": supported '
                      'values: "Failed"')  # fmt: skip
    containers = {each.get("name") for each in [*(template.get("containers") or []),
                                                *(template.get("initContainers") or [])]}  # fmt: skip
    for number, rule in enumerate(spec["podFailurePolicy"].get("rules") or []):
        path = f"spec.podFailurePolicy.rules[{number}]"
        codes, conditions = rule.get("onExitCodes"), rule.get("onPodConditions")
        if bool(codes) == bool(conditions):
            errors.append(f"{path}: Invalid value: {json.dumps(rule)}: specifying one of OnExitCodes and "
                          "OnPodConditions is required" if not codes else
                          f"{path}: Invalid value: {json.dumps(rule)}: specifying both OnExitCodes and "
                          "OnPodConditions is not supported")  # fmt: skip
        if not codes:
            continue
        if codes.get("containerName") and codes["containerName"] not in containers:
            errors.append(f'{path}.onExitCodes.containerName: Invalid value: "{codes["containerName"]}": must be one '
                          "of the container or initContainer names in the pod template")  # fmt: skip
        values = codes.get("values") or []
        for index, value in enumerate(values):
            if value == 0 and codes.get("operator") == "In":
                errors.append(f"{path}.onExitCodes.values[{index}]: Invalid value: 0: must not be 0 for the In "
                              "operator")  # fmt: skip
        if values != sorted(values):
            errors.append(f"{path}.onExitCodes.values: Invalid value: {json.dumps(values)}: must be ordered")
    return errors


def change(new: Object, old: Object) -> list[str]:
    """What may not change in a Job."""
    errors = []
    after, before = new["spec"], old["spec"]
    for field in FIXED:
        if after.get(field) == before.get(field):
            continue
        together = field == "completions" and after.get("completions") == after.get("parallelism")
        if together and after.get("completionMode") == "Indexed":
            continue  # an elastic Indexed Job
        errors.append(f"spec.{field}: Invalid value: {json.dumps(after.get(field))}: field is immutable")
    if _fixed_template(after, old) != _fixed_template(before, old):
        errors.append(f"spec.template: Invalid value: {json.dumps(after['template'])}: field is immutable")
    return errors


def _fixed_template(spec: Object, old: Object) -> Object:
    template = spec.get("template") or {}
    if not old["spec"].get("suspend") or (old.get("status") or {}).get("startTime"):
        return template
    kept = {name: value for name, value in (template.get("spec") or {}).items() if name not in SCHEDULING}
    return {"spec": kept}
