"""What a person may ask of a cluster: a typing error is found where it was made, and said in words."""

from __future__ import annotations

import argparse
import ipaddress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from mlk_jupyter.model import ClusterOptions
from mlk_jupyter.model.cluster import RANK_MEMORY, SHARED_MEMORY
from mlk_jupyter.model.destinations import METADATA, destination
from mlk_jupyter.options import add_cluster_options

NODES = "requiredDuringSchedulingIgnoredDuringExecution"


def options(**fields: Any) -> ClusterOptions:
    return ClusterOptions.model_validate(fields)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"image": "two words"}, "image"),
        ({"imge": "x"}, "imge"),
        ({"cpu": "two"}, "500m"),
        ({"cpu": "0"}, "above zero"),
        ({"memory": "-1Gi"}, "16Gi"),
        ({"memory": "1e999"}, "16Gi"),
        ({"memory": "4 Gi"}, "16Gi"),
        ({"gpu_resource": "gpu"}, "nvidia.com/gpu"),
        ({"gpu_resource": "nvidia.com/gpu shared"}, "label"),
        ({"gpu_product": "A100 80GB"}, "value of a label"),
        ({"node_selector": {"a b": "c"}}, "key of a label"),
        ({"node_selector": {"zone": "x" * 64}}, "63"),
        ({"image_pull_secrets": ["Registry"]}, "lower case"),
        ({"service_account": "a_b"}, "lower case"),
        ({"queue": "q" * 64}, "63 characters"),
        ({"tolerations": [{"key": "a", "operator": "Exists", "value": "b"}]}, "no value"),
        ({"tolerations": [{"operator": "Equal", "value": "b"}]}, "needs a key"),
        ({"tolerations": [{"key": "a", "effect": "Sometimes"}]}, "NoSchedule"),
        ({"volumes": [{"path": "/data"}]}, "exactly one of"),
        ({"volumes": [{"path": "/data", "claim": "a", "image": "b"}]}, "exactly one of"),
        ({"volumes": [{"path": "data", "claim": "a"}]}, "absolute path"),
        ({"volumes": [{"path": "/", "claim": "a"}]}, "absolute path"),
        ({"volumes": [{"path": "/data/../etc", "claim": "a"}]}, "absolute path"),
        ({"volumes": [{"path": "/a:b", "claim": "a"}]}, "absolute path"),
        ({"volumes": [{"path": "/mlk/bundle", "claim": "a"}]}, "needed by the launcher"),
        ({"volumes": [{"path": "//mlk", "claim": "a"}]}, "needed by the launcher"),
        ({"volumes": [{"path": "/./tmp/", "claim": "a"}]}, "needed by the launcher"),
        ({"volumes": [{"path": "/dev/shm", "claim": "a"}]}, "needed by the launcher"),
        ({"volumes": [{"path": "/a", "claim": "a"}, {"path": "//a/", "claim": "b"}]}, "two volumes"),
        ({"volumes": [{"path": "/a", "claim": "a", "sub_path": "../b"}]}, "without .."),
        ({"env_from": [{"key": "a"}]}, "exactly one of"),
        ({"env_from": [{"secret": "s", "name": "A"}]}, "needs the key"),
        ({"env_from": [{"secret": "s", "key": "a.b"}]}, "environment variable"),
        ({"env_from": [{"secret": "s", "key": "..a", "name": "A"}]}, "no key"),
        ({"env_from": [{"secret": "s", "key": "a", "name": "RANK"}]}, "environment variable"),
        ({"env_from": [{"secret": "s", "key": "MLK_NONCE"}]}, "environment variable"),
        ({"labels": {"mlk-jupyter.io/job": "other"}}, "set by the launcher"),
        ({"labels": {"app.kubernetes.io/managed-by": "me"}}, "set by the launcher"),
        ({"labels": {"kueue.x-k8s.io/queue-name": "q"}}, "set by the launcher"),
        ({"labels": {"job-name": "x"}}, "set by the launcher"),
        ({"labels": {"team": "a b"}}, "value of a label"),
        ({"annotations": {"a b": "c"}}, "key of a label"),
        ({"network": {"allow": ["example.com"]}}, "no host names"),
        ({"network": {"allow": ["10.0.0.0/8:99999"]}}, "not a port"),
        ({"network": {"allow": ["169.254.169.254"]}}, "credentials"),
        ({"network": {"allow": ["[fd00:ec2::254]:80"]}}, "credentials"),
        ({"retries": -1}, "retries"),
        ({"affinity": {"nodeaffinity": {}}}, "nodeaffinity"),
        ({"affinity": {"nodeAffinity": {NODES: {"nodeSelectorTerms": []}}}}, "nodeSelectorTerms"),
        ({"affinity": {"podAffinity": {NODES: [{}]}}}, "topologyKey"),
    ],
)
def test_what_kubernetes_would_refuse_is_refused_in_words(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError) as refused:
        options(**fields)
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("requirement", "words"),
    [
        ({"key": "zone", "operator": "In", "values": []}, "needs values"),
        ({"key": "zone", "operator": "Exists", "values": ["a"]}, "has no values"),
        ({"key": "cores", "operator": "Gt", "values": ["many"]}, "whole number"),
        ({"key": "zone", "operator": "Is", "values": ["a"]}, "operator"),
        ({"key": "a b", "operator": "Exists"}, "key of a label"),
        ({"key": "zone", "operator": "In", "values": ["a b"]}, "value of a label"),
        ({"key": "zone", "operator": "In", "value": "a"}, "value"),
    ],
)
def test_an_affinity_is_read_as_kubernetes_reads_it(requirement: dict[str, Any], words: str) -> None:
    terms = {NODES: {"nodeSelectorTerms": [{"matchExpressions": [requirement]}]}}
    with pytest.raises(ValidationError) as refused:
        options(affinity={"nodeAffinity": terms})
    assert words in str(refused.value) and "nodeAffinity" in str(refused.value)


def test_an_affinity_may_be_json_and_loses_its_nulls() -> None:
    assert options(affinity='{"podAffinity": null}').affinity is None
    written = {"nodeAffinity": {NODES: {"nodeSelectorTerms": [{"matchFields": None, "matchExpressions": []}]}}}
    assert options(affinity=written).affinity == {
        "nodeAffinity": {NODES: {"nodeSelectorTerms": [{"matchExpressions": []}]}}
    }


def test_paths_are_kept_in_one_form() -> None:
    assert options(volumes=[{"path": "//data//set/", "claim": "a"}]).volumes[0].path == "/data/set"


def test_what_was_accepted_is_accepted_when_it_is_read_back() -> None:
    asked = options(
        image="registry.example.com/a@sha256:00",
        cpu="1.5",
        gpu_resource="nvidia.com/mig-1g.10gb",
        env_from=[{"secret": "a", "key": "TOKEN"}],
        network={"allow": ["10.0.0.0/8:443", "[fd00::1]:80", "fd00::/8", "192.168.1.7"]},
        affinity={"podAntiAffinity": {NODES: [{"topologyKey": "zone", "labelSelector": {"matchLabels": {"a": "b"}}}]}},
    )
    assert ClusterOptions.model_validate_json(asked.model_dump_json()) == asked


@pytest.mark.parametrize(
    ("text", "network", "port"),
    [
        ("10.1.2.3", "10.1.2.3/32", None),
        ("10.1.2.3:443", "10.1.2.3/32", 443),
        ("10.1.2.3/8:443", "10.0.0.0/8", 443),
        ("fd00::1", "fd00::1/128", None),
        ("[fd00::/8]:443", "fd00::/8", 443),
        ("[fd00::1]", "fd00::1/128", None),
    ],
)
def test_a_destination_is_an_address_and_perhaps_a_port(text: str, network: str, port: int | None) -> None:
    found = destination(text)
    assert str(found.network) == network and found.port == port


@given(st.ip_addresses(), st.integers(0, 128), st.none() | st.integers(1, 65_535))
def test_every_network_is_read_and_none_is_the_metadata_address(address: Any, bits: int, port: int | None) -> None:
    network = ipaddress.ip_network(f"{address}/{min(bits, address.max_prefixlen)}", strict=False)
    text = f"[{network}]" if network.version == 6 and port else str(network)
    if network in METADATA:
        return
    found = destination(text if port is None else f"{text}:{port}")
    assert found.network == network and found.port == port
    assert [found.covers(other) for other in METADATA] == [
        other.version == network.version and other.subnet_of(network)  # type: ignore[arg-type]
        for other in METADATA
    ]


@given(st.text(max_size=30))
def test_no_text_breaks_the_reader_of_destinations(text: str) -> None:
    try:
        destination(text)
    except ValueError as refused:
        assert str(refused)


@pytest.mark.parametrize(
    ("typed", "command"),
    [
        ('dvc pull -r "my remote"', ["dvc", "pull", "-r", "my remote"]),
        ("grep 'a|b' file", ["grep", "a|b", "file"]),
        ('echo "a > b"', ["echo", "a > b"]),
        ("cd /data && dvc pull", ["sh", "-c", "cd /data && dvc pull"]),
        ("cp file $HOME", ["sh", "-c", "cp file $HOME"]),
        ('cp file "$HOME"', ["sh", "-c", 'cp file "$HOME"']),
        ("sh -c 'echo $HOME > file'", ["sh", "-c", "echo $HOME > file"]),
    ],
)
def test_a_command_goes_to_a_shell_where_only_a_shell_understands_it(typed: str, command: list[str]) -> None:
    assert ClusterOptions(staging=typed).staging == command


@pytest.mark.parametrize(("field", "amount"), [("memory", RANK_MEMORY), ("shared_memory", SHARED_MEMORY)])
def test_the_words_for_what_is_not_named_say_what_the_job_gets(field: str, amount: str) -> None:
    parser = argparse.ArgumentParser()
    add_cluster_options(parser)
    helps = {action.dest: str(action.help) for action in parser._actions}
    assert amount in helps[field] and amount in str(ClusterOptions.model_fields[field].description)
