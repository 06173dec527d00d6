"""What is created for a job: the objects, their labels, annotations and owner, and their YAML."""

from __future__ import annotations

import base64
import copy
import json
import re

import pytest
import yaml
from pydantic import ValidationError
from submission import KINDS, asked, env_of, job, pod, pod_of, render, spec, worker

from mlk_jupyter.backends.kubernetes import labels
from mlk_jupyter.backends.kubernetes.lifecycle.creation import owned_by
from mlk_jupyter.backends.kubernetes.manifests.render_context import AnnotationsTooLarge
from mlk_jupyter.backends.kubernetes.manifests.yaml_dump import as_yaml
from mlk_jupyter.model import JobSpec


def test_a_job_is_one_indexed_job_its_bundle_and_a_headless_service() -> None:
    owner, bundle, service = render(asked(spec(time_limit_s="2h")))
    assert owner["spec"] | {"template": None} == {
        "completionMode": "Indexed",
        "completions": 2,
        "parallelism": 2,
        "backoffLimit": 0,
        "podReplacementPolicy": "Failed",
        "activeDeadlineSeconds": 7200,
        "ttlSecondsAfterFinished": 604_800,
        "template": None,
    }
    assert bundle["immutable"] and bundle["metadata"]["name"] == "digits-0123456789-bundle"
    assert base64.b64decode(bundle["binaryData"]["bundle.pyz"]) == asked().bundle
    assert service["spec"]["clusterIP"] == "None" and service["spec"]["publishNotReadyAddresses"]
    selected = pod_of(owner)["metadata"]["labels"] | {"batch.kubernetes.io/job-name": owner["metadata"]["name"]}
    assert service["spec"]["selector"].items() <= selected.items()
    assert env_of(worker())["MASTER_ADDR"] == "digits-0123456789-0.digits-0123456789"
    assert pod()["subdomain"] == service["metadata"]["name"]


def test_every_object_bears_our_labels_and_the_owner_the_description() -> None:
    request = asked(spec(cluster={"network": {}}), attempt=3, notices=["Files were left out."])
    for item in (*render(request), pod_of(render(request)[0])):
        found = item["metadata"]["labels"]
        assert found[labels.MANAGED_BY] == labels.OURS and found[labels.JOB] == request.id
        assert found[labels.USER] == labels.user_label("alice@example.com") and found[labels.ATTEMPT] == "3"
    owner = render(request)[0]["metadata"]
    assert owner["name"] == "digits-0123456789-r3"
    annotations = owner["annotations"]
    assert JobSpec.model_validate_json(annotations[labels.SPEC]) == request.spec
    assert annotations[labels.REQUEST] == "request-1" and annotations[labels.NONCE] == request.nonce
    assert annotations[labels.BUNDLE] == request.sha256 and annotations[labels.CREATED_BY] == "alice@example.com"
    assert json.loads(annotations[labels.NOTICES]) == ["Files were left out."]


def test_what_a_person_labels_is_on_the_owner_and_its_pods_and_never_in_the_place_of_ours() -> None:
    owner = job(cluster={"labels": {"team": "vision"}, "annotations": {"example.com/note": "a b"}})
    for item in (owner, pod_of(owner)):
        assert item["metadata"]["labels"]["team"] == "vision"
        assert item["metadata"]["annotations"]["example.com/note"] == "a b"
    with pytest.raises(ValidationError):
        spec(cluster={"labels": {labels.JOB: "other"}})


def test_a_description_that_no_annotation_holds_is_refused_in_words() -> None:
    large = spec(env={f"TEXT_{number}": "x" * 90_000 for number in range(3)})
    with pytest.raises(AnnotationsTooLarge, match=r"262,144.*mlk-jupyter.io/spec") as refused:
        render(asked(large))
    assert refused.value.size > 262_144 and "file" in refused.value.hint


def test_the_same_input_gives_the_same_bytes() -> None:
    request = asked(spec(gpus=2, cluster={"network": {"allow": ["10.0.0.0/8"]}, "spot": "required"}))
    for kind in KINDS:
        assert as_yaml(render(request, kind)) == as_yaml(render(copy.deepcopy(request), kind))  # type: ignore[arg-type]


def test_what_is_owned_names_its_owner_and_asks_for_no_right_to_block_it() -> None:
    owner, bundle, _ = render(asked())
    created = {**owner, "metadata": {**owner["metadata"], "uid": "1-2-3"}}
    owned = owned_by(bundle, created)
    assert owned["metadata"]["ownerReferences"] == [
        {"apiVersion": "batch/v1", "kind": "Job", "name": "digits-0123456789", "uid": "1-2-3"}
    ]
    assert "ownerReferences" not in bundle["metadata"]


def test_yaml_reads_back_as_what_is_created_whatever_reads_it() -> None:
    traps = [
        "y",
        "No",
        "1e3",
        "0o17",
        "0x1f",
        "1_000",
        "~",
        "",
        " a",
        "a ",
        "2026-01-01",
        "1:30",
        "é",
        "a\nb",
        "a: b # c",
    ]
    request = asked(spec(env={f"V{number}": text for number, text in enumerate(traps)}, cluster={"network": {}}))
    for kind in KINDS:
        manifests = render(request, kind)  # type: ignore[arg-type]
        text = as_yaml(manifests)
        assert list(yaml.safe_load_all(text)) == manifests
        assert text.startswith("# ") and text.count("\n---\n") == len(manifests)
        bare = re.findall(r"^ *(?:- )?(?:name|value): ([^\"|\n]*)$", text, re.MULTILINE)
        assert bare and not {"y", "No", "1e3", "0o17", "~"} & set(bare)
