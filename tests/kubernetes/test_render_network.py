"""The NetworkPolicy of a job that keeps to itself: what its ranks reach, and what they never do."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest
from submission import asked, render, spec

from mlk_jupyter.backends.kubernetes import labels
from mlk_jupyter.backends.kubernetes.manifests.network import host_to_resolve, notices


def policy(allow: list[str], **fields: Any) -> dict[str, Any]:
    found = render(asked(spec(cluster={"network": {"allow": allow}}), **fields))[-1]
    assert found["kind"] == "NetworkPolicy"
    rules: dict[str, Any] = found["spec"]
    return rules


def test_ranks_reach_each_other_at_every_port_and_names_are_found() -> None:
    found = policy([])
    own = {"matchLabels": {labels.MANAGED_BY: labels.OURS, labels.JOB: "digits-0123456789"}}
    assert found["podSelector"] == own and found["policyTypes"] == ["Ingress", "Egress"]
    assert found["ingress"] == [{"from": [{"podSelector": own}]}] and found["egress"][0] == {
        "to": [{"podSelector": own}]
    }
    dns, openshift = found["egress"][1:]
    assert [(port["protocol"], port["port"]) for port in dns["ports"]] == [("UDP", 53), ("TCP", 53)]
    assert {"ipBlock": {"cidr": "169.254.20.10/32"}} in dns["to"]
    reached = [ipaddress.ip_network(to["ipBlock"]["cidr"]) for to in dns["to"] if "ipBlock" in to]
    for server in ("10.96.0.10", "172.20.0.10", "34.118.224.10", "fd00::a"):  # addresses of kube-dns' Service
        assert any(ipaddress.ip_address(server) in network for network in reached)
    assert not any(ipaddress.ip_address("8.8.8.8") in network for network in reached)
    assert [(port["protocol"], port["port"]) for port in openshift["ports"]] == [("UDP", 5353), ("TCP", 5353)]
    assert len(render(asked())) == 3


@pytest.mark.parametrize("allowed", ["0.0.0.0/0", "169.254.0.0/16:80", "169.254.169.254/31", "[::/0]:443", "10.1.2.3"])
def test_the_metadata_address_is_never_reached(allowed: str) -> None:
    for rule in policy([allowed])["egress"]:
        for block in (to["ipBlock"] for to in rule["to"] if "ipBlock" in to):
            network = ipaddress.ip_network(block["cidr"])
            for address in ("169.254.169.254", "fd00:ec2::254", "fd20:ce::254"):
                inside = ipaddress.ip_address(address) in network
                excepted = any(
                    ipaddress.ip_address(address) in ipaddress.ip_network(e) for e in block.get("except", [])
                )
                assert inside is excepted


@pytest.mark.parametrize(
    ("uri", "rule"),
    [
        (
            "http://10.9.8.7:5000",
            {"to": [{"ipBlock": {"cidr": "10.9.8.7/32"}}], "ports": [{"protocol": "TCP", "port": 5000}]},
        ),
        (
            "https://[fd00::7]",
            {"to": [{"ipBlock": {"cidr": "fd00::7/128"}}], "ports": [{"protocol": "TCP", "port": 443}]},
        ),
        (
            "http://mlflow.tracking.svc.cluster.local",
            {"to": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "tracking"}}}]},
        ),
        (
            "http://mlflow",
            {"to": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "research"}}}]},
        ),
        (
            "https://mlflow.example.com",
            {"to": [{"ipBlock": {"cidr": "203.0.113.7/32"}}], "ports": [{"protocol": "TCP", "port": 443}]},
        ),
    ],
)
def test_mlflow_is_reached_by_its_address_or_its_namespace(uri: str, rule: dict[str, Any]) -> None:
    addresses = {"mlflow.example.com": ["203.0.113.7", "169.254.169.254"]}
    assert policy([], mlflow={"MLFLOW_TRACKING_URI": uri}, addresses=addresses)["egress"][3:] == [rule]


def test_a_name_of_two_words_with_private_addresses_may_be_a_service() -> None:
    for address, namespaces in (("10.96.7.8", ["tracking"]), ("203.0.113.7", [])):
        uri, addresses = "http://mlflow.tracking:5000", {"mlflow.tracking": [address]}
        first, *rest = policy([], mlflow={"MLFLOW_TRACKING_URI": uri}, addresses=addresses)["egress"][3:]
        assert first["to"] == [{"ipBlock": {"cidr": f"{address}/32"}}]
        found = [
            to["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"] for one in rest for to in one["to"]
        ]
        assert found == namespaces


def test_a_host_whose_address_is_not_known_is_said() -> None:
    request = asked(spec(cluster={"network": {}}), mlflow={"MLFLOW_TRACKING_URI": "https://mlflow.example.com"})
    assert host_to_resolve(request) == "mlflow.example.com"
    assert any("mlflow.example.com" in notice for notice in notices(request))
    open_network = asked(spec(), mlflow={"MLFLOW_TRACKING_URI": "https://mlflow.example.com"})
    assert host_to_resolve(open_network) is None and not notices(open_network)
    for uri in ("sqlite:////data/mlflow.db", "databricks", "http://[bad", ""):
        assert host_to_resolve(asked(spec(cluster={"network": {}}), mlflow={"MLFLOW_TRACKING_URI": uri})) is None
