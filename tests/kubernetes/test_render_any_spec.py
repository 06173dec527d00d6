"""Whatever spec is accepted, Kubernetes takes the objects that are made of it."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from kube import kinds as served
from kube import schema
from pydantic import ValidationError
from submission import DNS_LABEL, KINDS, LABEL_VALUE, asked, breaches_of_restricted, containers_of, pod_of, render

from mlk_jupyter.backends.kubernetes.manifests.render_context import RenderContext
from mlk_jupyter.backends.kubernetes.manifests.yaml_dump import as_yaml
from mlk_jupyter.model import JobSpec
from mlk_jupyter.quantities import parse

NAME = st.from_regex(r"[a-z]([a-z0-9-]{0,12}[a-z0-9])?", fullmatch=True)
KEY = st.from_regex(r"([a-z]{1,8}\.io/)?[A-Za-z]([A-Za-z0-9_.-]{0,8}[A-Za-z0-9])?", fullmatch=True)
VALUE = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,12}[A-Za-z0-9])?", fullmatch=True)
QUANTITY = st.sampled_from(["500m", "1", "4", "0.5", "1e3", "512Mi", "3Gi", "1.5Gi", "7G", "2Ti", "1k"])
TEXT = st.text(max_size=20)
PATHS = st.from_regex(r"/[a-z]{1,6}(/[a-z.]{1,6}){0,2}", fullmatch=True)
REQUIREMENT = st.one_of(
    st.fixed_dictionaries(
        {"key": KEY, "operator": st.sampled_from(["In", "NotIn"]), "values": st.lists(VALUE, min_size=1, max_size=2)}
    ),
    st.fixed_dictionaries({"key": KEY, "operator": st.sampled_from(["Exists", "DoesNotExist"])}),
)
TERM = st.fixed_dictionaries({"matchExpressions": st.lists(REQUIREMENT, max_size=2)})
POD_TERM = st.fixed_dictionaries({"topologyKey": KEY, "labelSelector": TERM})
REQUIRED, PREFERRED = (f"{word}DuringSchedulingIgnoredDuringExecution" for word in ("required", "preferred"))
AFFINITY = st.fixed_dictionaries(
    {},
    optional={
        "nodeAffinity": st.fixed_dictionaries(
            {},
            optional={
                REQUIRED: st.fixed_dictionaries({"nodeSelectorTerms": st.lists(TERM, min_size=1, max_size=2)}),
                PREFERRED: st.lists(
                    st.fixed_dictionaries({"weight": st.integers(1, 100), "preference": TERM}), max_size=2
                ),
            },
        ),
        "podAntiAffinity": st.fixed_dictionaries({}, optional={REQUIRED: st.lists(POD_TERM, max_size=2)}),
    },
)
VOLUME = st.one_of(
    st.fixed_dictionaries({"path": PATHS, "claim": NAME}, optional={"read_only": st.booleans(), "sub_path": NAME}),
    st.fixed_dictionaries({"path": PATHS, "image": NAME}),
    st.fixed_dictionaries({"path": PATHS, "empty_dir": QUANTITY}),
)
ENV_FROM = st.one_of(
    st.fixed_dictionaries({"secret": NAME}),
    st.fixed_dictionaries({"config_map": NAME, "key": KEY, "name": st.from_regex(r"[A-Z_]{1,8}", fullmatch=True)}),
)
CLUSTER = st.fixed_dictionaries(
    {},
    optional={
        "image_pull_policy": st.sampled_from(["Always", "IfNotPresent", "Never"]),
        "image_pull_secrets": st.lists(NAME, max_size=3),
        "cpu": QUANTITY,
        "memory": QUANTITY,
        "shared_memory": QUANTITY,
        "gpu_resource": st.sampled_from(["nvidia.com/gpu", "nvidia.com/mig-1g.10gb", "amd.com/gpu", "google.com/tpu"]),
        "gpu_product": VALUE,
        "node_selector": st.dictionaries(KEY, VALUE, max_size=3),
        "affinity": AFFINITY,
        "tolerations": st.lists(
            st.fixed_dictionaries({"key": KEY}, optional={"effect": st.sampled_from(["NoSchedule", "NoExecute"])}),
            max_size=2,
        ),
        "one_worker_per_node": st.booleans(),
        "spot": st.sampled_from(["allowed", "required"]),
        "queue": NAME,
        "priority": NAME,
        "service_account": NAME,
        "env_from": st.lists(ENV_FROM, max_size=3),
        "volumes": st.lists(VOLUME, max_size=4),
        "checkpoints": NAME,
        "staging": st.lists(st.text(min_size=1, max_size=10), max_size=3),
        "network": st.fixed_dictionaries(
            {}, optional={"allow": st.lists(st.sampled_from(["10.0.0.0/8:443", "fd00::/8", "1.2.3.4"]), max_size=2)}
        ),
        "grace_period_s": st.integers(1, 3600),
        "keep_s": st.integers(60, 1000),
        "retries": st.integers(0, 100),
        "labels": st.dictionaries(KEY, VALUE, max_size=2),
        "annotations": st.dictionaries(KEY, TEXT, max_size=2),
    },
)
SPEC = st.fixed_dictionaries(
    {"name": TEXT, "notebook": st.text(min_size=1, max_size=20), "cluster": CLUSTER},
    optional={
        "workers": st.integers(1, 1024),
        "gpus": st.integers(0, 16),
        "ranks_per_worker": st.integers(1, 8),
        "parameters": st.dictionaries(TEXT, st.one_of(st.integers(), TEXT), max_size=2),
        "env": st.dictionaries(st.from_regex(r"[A-Z_]{1,8}", fullmatch=True), TEXT, max_size=3),
        "time_limit_s": st.integers(1, 1_000_000),
    },
)


@pytest.fixture(scope="module")
def catalog() -> served.Catalog:
    return served.Catalog(custom=("jobsets.jobset.x-k8s.io",))


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(written=SPEC, kind=st.sampled_from(KINDS), attempt=st.integers(1, 101))
def test_whatever_is_accepted_is_taken_by_kubernetes(
    catalog: served.Catalog, written: dict[str, Any], kind: Any, attempt: int
) -> None:
    try:
        job_spec = JobSpec.model_validate(written)
    except ValidationError:
        assume(False)
    request = asked(job_spec, id=f"{'a' * 32}-0123456789", attempt=attempt if kind == "job" else 1)
    manifests = render(request, kind)
    assert list(yaml.safe_load_all(as_yaml(manifests))) == manifests
    for item in manifests:
        found = catalog.of_object(item["apiVersion"], item["kind"])
        assert found is not None
        _, findings = schema.check(copy.deepcopy(item), found)
        assert not findings.strict and not findings.invalid
        assert all(LABEL_VALUE.fullmatch(value) for value in item["metadata"]["labels"].values())
    _keeps_the_rules(request, manifests[0])


def _keeps_the_rules(request: RenderContext, owner: dict[str, Any]) -> None:
    """What the schemas do not say and the API server checks."""
    template = pod_of(owner)
    assert not list(breaches_of_restricted(template))
    last = request.spec.workers - 1
    middle = "-worker-0" if owner["kind"] == "JobSet" else ""
    assert DNS_LABEL.fullmatch(f"{owner['metadata']['name']}{middle}-{last}-abcde")  # the pod's name
    volumes = [volume["name"] for volume in template["spec"]["volumes"]]
    assert len(set(volumes)) == len(volumes)
    for container in containers_of(template):
        for field, key in (("env", "name"), ("volumeMounts", "mountPath")):
            found = [entry[key] for entry in container[field]]
            assert len(set(found)) == len(found)
        assert {mount["name"] for mount in container["volumeMounts"]} == set(volumes)
        amounts = container["resources"]
        for name, limit in amounts.get("limits", {}).items():
            assert parse(amounts["requests"][name]) <= parse(limit)
            assert "/" not in name or (amounts["requests"][name] == limit and limit.isdigit())
    claims = [
        v["persistentVolumeClaim"]["claimName"] for v in template["spec"]["volumes"] if "persistentVolumeClaim" in v
    ]
    assert len(set(claims)) == len(claims)
