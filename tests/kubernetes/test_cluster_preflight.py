"""What speaks against a job before it is submitted."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest
from preflight_cases import (
    BUNDLE,
    GPU,
    IMAGE,
    archive,
    facts,
    found,
    job,
    look,
    node,
)

from mlk_jupyter.backends.kubernetes.api.api_errors import error_of
from mlk_jupyter.backends.kubernetes.preflight.checks.literals import is_secret, seems_random
from mlk_jupyter.backends.kubernetes.preflight.cluster_facts import Outcome
from mlk_jupyter.backends.kubernetes.rights.access import Access
from mlk_jupyter.backends.kubernetes.rights.rbac import policy_rules, rules
from mlk_jupyter.model.api import Level


def test_a_job_with_nothing_against_it_starts_now() -> None:
    answer = look(job(gpus=2, workers=2))
    assert answer.ok
    assert answer.starts_now is True
    assert answer.findings == []


def test_what_a_job_uses_is_said_in_figures() -> None:
    uses = {
        use.label: use.text for use in look(job({"cpu": "4", "memory": "16Gi"}, gpus=2, workers=2), kind="jobset").uses
    }
    assert uses == {
        "Workers": "2 pods of 2 processes each",
        "GPUs": f"2 × 2 {GPU}",
        "CPU": "4 cores for each worker",
        "Memory": "16 GiB for each worker",
        "Image": IMAGE,
        "Namespace": "team-a",
        "Kind": "JobSet",
    }


def test_a_job_is_summed_up_in_a_few_words() -> None:
    asked = {"cpu": "4", "memory": "16Gi"}
    assert look(job(asked, gpus=2, workers=2), kind="jobset").summary == "2 pods of 2 GPUs, 4 cores and 16 GiB each"
    assert look(job(asked)).summary == "1 pod of 4 cores and 16 GiB"


def test_all_findings_come_at_once_worst_first() -> None:
    spec = job(
        {"image": "torch:latest", "queue": "none-such", "network": {}, "cpu": "1000m"},
        env={"API_TOKEN": "abcdef"},
        gpus=16,
    )
    levels = [finding.level for finding in look(spec).findings]
    assert levels.count(Level.ERROR) >= 3
    assert levels == sorted(levels, key=[Level.ERROR, Level.WARNING, Level.NOTE].index)


def test_what_keeps_a_job_from_being_submitted_has_a_way_out() -> None:
    spec = job(
        {"image": None, "memory": "512m", "queue": "none-such", "priority": "none-such"},
        env={"PASSWORD": "hunter2"},
        gpus=64,
    )
    answer = look(spec, facts(priority_class=False))
    assert not answer.ok
    assert answer.starts_now is None
    assert all(finding.hint for finding in answer.findings if finding.level is Level.ERROR)


def test_without_an_image_the_rest_is_still_told() -> None:
    findings = found(job({"image": None}, gpus=16))
    assert findings["no_image"].field == "cluster.image"
    assert "gpus_over_node" in findings


@pytest.mark.parametrize(
    ("image", "moves"),
    [
        ("torch", True),
        ("torch:latest", True),
        ("registry.example:5000/torch", True),
        ("registry.example:5000/torch:2.9", False),
        ("torch@sha256:" + "a" * 64, False),
    ],
)
def test_an_image_that_may_change_any_day_is_pointed_out(image: str, moves: bool) -> None:
    assert ("image_moves" in found(job({"image": image}))) is moves


def test_pull_secrets_are_named_and_not_looked_for() -> None:
    assert "registry-key" in found(job({"image_pull_secrets": ["registry-key"]}))["pull_secret_unchecked"].text
    assert "account-key" in found(job(), facts(account_pull_secrets=["account-key"]))["pull_secret_of_account"].text


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"memory": "512m"}, "memory_too_small"),
        ({"memory": "16"}, "memory_too_small"),
        ({"shared_memory": "2"}, "shared_memory_too_small"),
        ({"cpu": "4000"}, "cpu_too_large"),
        ({"cpu": "1m"}, "cpu_too_small"),
        ({"memory": "4Gi", "shared_memory": "4Gi"}, "shared_memory_over_memory"),
        ({"shared_memory": "64Mi"}, "shared_memory_small"),
        ({"gpu_product": "NVIDIA-L4"}, "product_without_gpus"),
    ],
)
def test_figures_that_cannot_be_meant_are_pointed_out(options: dict[str, str], code: str) -> None:
    finding = found(job(options))[code]
    assert finding.hint
    assert finding.field


@pytest.mark.parametrize(
    ("resource", "gpus", "code"),
    [
        ("nvidia.com/mig-1g.10gb", 2, "mig_apart"),
        ("nvidia.com/gpu.shared", 2, "shares_of_one_gpu"),
        ("google.com/tpu", 4, "tpu_without_topology"),
        ("habana.ai/gaudi", 8, "gaudi_hugepages"),
        ("amd.com/gpu", 1, "devices_not_ours"),
    ],
)
def test_traps_of_accelerators_are_named(resource: str, gpus: int, code: str) -> None:
    assert code in found(job({"gpu_resource": resource}, gpus=gpus), facts(nodes=[node("a", has={resource: "8"})]))


def test_a_product_of_another_vendor_is_refused() -> None:
    assert "product_of_another_vendor" in found(
        job({"gpu_resource": "amd.com/gpu", "gpu_product": "NVIDIA-L4"}, gpus=1)
    )


@pytest.mark.parametrize(
    ("run_as", "level", "ok"),
    [("image", "restricted", False), ("image", "baseline", True), ("restricted", "restricted", True)],
)
def test_the_pod_security_level_of_the_namespace_is_kept(run_as: str, level: str, ok: bool) -> None:
    known = facts(namespace_labels={"pod-security.kubernetes.io/enforce": level})
    assert look(job({"run_as": run_as}), known).ok is ok


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HF_TOKEN", "abc"),
        ("DB_PASSWORD", "hunter2"),
        ("AWS_SECRET_ACCESS_KEY", "x/y"),
        ("OPENAI_API_KEY", "none-of-your-business"),
        ("SETTING", "sk-" + "a" * 24),
        ("SETTING", "ghp_" + "a1" * 18),
        ("SETTING", "hf_" + "aB" * 17),
        ("SETTING", "AKIA" + "A1" * 8),
        ("DATABASE", "postgresql://ada:hunter2@db/x"),
    ],
)
def test_a_secret_in_the_environment_is_refused_without_being_repeated(name: str, value: str) -> None:
    answer = look(job(env={name: value}))
    assert not answer.ok
    assert name in answer.findings[0].text
    assert value not in answer.model_dump_json()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TOKENIZERS_PARALLELISM", "false"),
        ("MAX_TOKENS", "512"),
        ("TOKEN", "512"),
        ("NCCL_DEBUG", "INFO"),
        ("HF_HOME", "/data/huggingface"),
        ("PYTORCH_CUDA_ALLOC_CONF", "expandable_segments:True"),
        ("MLFLOW_TRACKING_URI", "https://mlflow.example/path"),
        ("HF_TOKEN_PATH", "/secrets/token"),
        ("PWD", "/home/ada"),
        ("KEYBOARD", "qwerty"),
        ("PASS_THROUGH", "on-demand"),
        ("TOKEN_LIMIT", "four thousand"),
        ("GOOGLE_APPLICATION_CREDENTIALS", "/var/secrets/gcp/key.json"),
        ("PAD_TOKEN", "<pad>"),
        ("MASK_TOKEN", "[MASK]"),
    ],
)
def test_an_ordinary_variable_is_no_secret(name: str, value: str) -> None:
    assert not is_secret(name, value)
    assert not seems_random(value)


@pytest.mark.parametrize(
    ("name", "value"), [("OPENAI_API_KEY", "EMPTY"), ("EOS_TOKEN", "end-of-text"), ("DB_PASSWORD", "changeme")]
)
def test_what_only_sounds_like_a_secret_is_asked_about(name: str, value: str) -> None:
    answer = look(job(env={name: value}))
    assert answer.ok
    (finding,) = [one for one in answer.findings if one.code == "perhaps_secret_in_env"]
    assert finding.level is Level.WARNING and name in finding.text


def test_a_value_that_looks_random_is_asked_about() -> None:
    finding = found(job(env={"SEED": "q8Zr1Tn5Kx0Wb7Lf3Hd9Vp2Ms6"}))["perhaps_secret_in_env"]
    assert finding.level is Level.WARNING
    assert "q8Zr1Tn5" not in finding.text


def test_a_secret_among_the_parameters_is_refused() -> None:
    assert found(job(parameters={"key": "sk-" + "a" * 24}))["secret_in_parameters"].level is Level.ERROR


def test_network_isolation_is_declared_and_not_verified() -> None:
    finding = found(job({"network": {}}))["network_unverified"]
    assert "not verified" in finding.text


@pytest.mark.parametrize(
    ("uri", "reached"),
    [
        ("http://localhost:5000", False),
        ("http://127.0.0.1:5000", False),
        ("http://[::1]:5000", False),
        ("http://0.0.0.0:5000", False),
        ("sqlite:////home/ada/mlflow.db", False),
        ("file:///home/ada/mlruns", False),
        ("./mlruns", False),
        ("https://mlflow.example", True),
        ("http://mlflow.tracking.svc:5000", True),
        ("http://10.1.2.3:5000", True),
        ("databricks", True),
        ("databricks://profile", True),
    ],
)
def test_an_mlflow_that_pods_cannot_reach_is_pointed_out(uri: str, reached: bool) -> None:
    for findings in (found(job(), mlflow={"MLFLOW_TRACKING_URI": uri}), found(job(env={"MLFLOW_TRACKING_URI": uri}))):
        assert ("mlflow_out_of_reach" not in findings) is reached
    assert "mlflow_out_of_reach" not in found(job(mlflow=False, env={"MLFLOW_TRACKING_URI": uri}))


def test_a_bundle_that_a_configmap_cannot_carry_lists_what_is_big() -> None:
    big = replace(BUNDLE, data=archive({"job/files/weights.bin": os.urandom(950_000), "job/notebook.ipynb": b"{}"}))
    finding = found(job(), bundle=big)["bundle_too_large_for_cluster"]
    assert "weights.bin (927." in finding.text
    assert (finding.level, finding.field) == (Level.ERROR, "files")


def test_what_the_bundle_left_out_is_said() -> None:
    assert (
        found(job(), bundle=replace(BUNDLE, notices=["secrets.env is not carried along."]))["bundle"].level
        is Level.NOTE
    )


def test_a_missing_right_is_named_with_the_rule_to_add() -> None:
    some = [
        rule
        for rule in policy_rules(rules(cluster_wide=False))
        if rule["resources"] != ["jobs"] and "pods/log" not in rule["resources"]
    ]
    findings = found(job({"network": {}}), facts(access=Access("team-a", some, complete=True)))
    assert findings["no_right_to_submit"].level is Level.ERROR
    assert "create jobs.batch" in findings["no_right_to_submit"].text
    assert "apiGroups: [batch]" in (findings["no_right_to_submit"].hint or "")
    assert findings["no_right_to_logs"].level is Level.WARNING
    assert "no_right_to_network" not in findings


def test_rights_that_are_not_known_are_no_findings() -> None:
    assert look(job(), facts(access=Access("team-a"))).findings == []


@pytest.mark.parametrize(
    ("status", "message", "code", "level", "field"),
    [
        (
            422,
            'Job.batch "x" is invalid: spec.template.spec.tolerations[0].effect: Unsupported value',
            "cluster_refuses",
            Level.ERROR,
            "cluster.tolerations",
        ),
        (
            400,
            'strict decoding error: unknown field "spec.template.spec.affinity.nodeAfinity"',
            "cluster_refuses",
            Level.ERROR,
            "cluster.affinity",
        ),
        (
            403,
            'pods "x" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true',
            "pod_security_restricted",
            Level.ERROR,
            "cluster.run_as",
        ),
        (
            403,
            'admission webhook "gate.example" denied the request: pin a digest',
            "cluster_refuses",
            Level.ERROR,
            None,
        ),
        (400, 'admission webhook "gate.example" does not support dry run', "dry_run_unsupported", Level.NOTE, None),
        (500, 'failed calling webhook "gate.example": timeout', "dry_run_failed", Level.WARNING, None),
        (404, 'namespaces "team-a" not found', "namespace_or_kind_missing", Level.ERROR, None),
    ],
)
def test_a_refusal_of_the_dry_run_becomes_a_finding(
    status: int, message: str, code: str, level: Level, field: str | None
) -> None:
    outcome = Outcome("Job", "x", error=error_of(status, {"message": message, "reason": "Invalid"}))
    finding = found(job(), dry_run=[outcome])[code]
    assert (finding.level, finding.field) == (level, field)


def test_warnings_of_the_cluster_are_shown_once() -> None:
    text = 'would violate PodSecurity "restricted:latest": allowPrivilegeEscalation != false'
    findings = look(job(), dry_run=[Outcome("Job", "x", [text]), Outcome("Pod", "x", [text])]).findings
    assert [finding.code for finding in findings] == ["cluster_warns"]
    assert findings[0].field == "cluster.run_as"
