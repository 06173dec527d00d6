"""The NetworkPolicy of one job: its ranks among themselves, DNS, MLflow, what is named; nothing else. Pure.

A NetworkPolicy knows IP addresses and labels, no names. So MLflow's host is reached
- where it is an IP address: at this address and port;
- where it is a Service of the cluster (`mlflow`, or `mlflow.NAMESPACE.svc...`): in the pods of its namespace, at any
  port, because policies see a connection after the Service has replaced its address and port by a pod's;
- where it may be one, `mlflow.NAMESPACE` with private addresses: in both ways;
- else at the addresses that its name has when the job is submitted.
"""

from __future__ import annotations

import ipaddress
from typing import Any
from urllib.parse import urlsplit

from ....model.destinations import METADATA, Destination, IpNetwork, destination
from .. import labels
from ..resources import NETWORK_POLICIES, Manifest
from .render_context import RenderContext, manifest

_NAMESPACE = "kubernetes.io/metadata.name"
_NODE_LOCAL_DNS = "169.254.20.10/32"
# Where clusters' Services have their addresses. A DNS server on the node itself answers at that of kube-dns, and then
# policies see this address and no pod: caches of NodeLocal DNS with iptables, DNS of EKS Auto Mode.
_SERVICES = ("10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16", "34.118.224.0/20", "fc00::/7")
_DEFAULT_PORTS = {"http": 80, "https": 443}


def network_policy(context: RenderContext) -> Manifest:
    """The policy of a job whose spec asks for one."""
    options = context.spec.cluster
    ours = {"matchLabels": {labels.MANAGED_BY: labels.OURS, labels.JOB: context.id}}
    among = [{"podSelector": ours}]
    egress: list[dict[str, Any]] = [{"to": among}, *_DNS, *_mlflow(context)]
    egress += [_to(destination(text)) for text in (options.network.allow if options.network else [])]
    found = manifest(NETWORK_POLICIES, context.owner, context)
    found["spec"] = {
        "podSelector": ours,
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [{"from": among}],  # every port: those of NCCL and gloo are chosen at random
        "egress": [rule for number, rule in enumerate(egress) if rule not in egress[:number]],
    }
    return found


def host_to_resolve(context: RenderContext) -> str | None:
    """The host name whose addresses belong into `RenderContext.addresses`; None where there is none."""
    found = _tracking(context)
    if found is None or context.spec.cluster.network is None:
        return None
    host = found[0]
    return None if _is_ip(host) or _service(context, host) is not None else host


def notices(context: RenderContext) -> list[str]:
    """What a person should know of the policy, in sentences."""
    if context.spec.cluster.network is None:
        return []
    found = ["The NetworkPolicy is declared; whether the cluster's network enforces it cannot be seen from here."]
    host = host_to_resolve(context)
    if host is not None and not context.addresses.get(host):
        found.append(
            f"The address of {host} is not known, so the NetworkPolicy does not let the job reach MLflow: "
            "name its address under what is allowed."
        )
    return found


def _to(goal: Destination) -> dict[str, Any]:
    rule: dict[str, Any] = {"to": [_block(goal)]}
    if goal.port is not None:
        rule["ports"] = [{"protocol": "TCP", "port": goal.port}]
    return rule


def _block(goal: Destination) -> dict[str, Any]:
    """The addresses without those that are never allowed."""
    block: dict[str, Any] = {"cidr": str(goal.network)}
    inside = [str(address) for address in METADATA if address.version == goal.network.version and goal.covers(address)]
    if inside:
        block["except"] = inside
    return {"ipBlock": block}


def _ports(*ports: int) -> list[dict[str, Any]]:
    return [{"protocol": protocol, "port": port} for port in ports for protocol in ("UDP", "TCP")]


_DNS: list[dict[str, Any]] = [
    {
        "to": [
            {
                "namespaceSelector": {"matchLabels": {_NAMESPACE: "kube-system"}},
                "podSelector": {
                    "matchExpressions": [
                        {"key": "k8s-app", "operator": "In", "values": ["kube-dns", "coredns", "node-local-dns"]}
                    ]
                },
            },
            {"ipBlock": {"cidr": _NODE_LOCAL_DNS}},
            *(_block(destination(block)) for block in _SERVICES),
        ],
        "ports": _ports(53),
    },
    {"to": [{"namespaceSelector": {"matchLabels": {_NAMESPACE: "openshift-dns"}}}], "ports": _ports(5353)},
]


def _tracking(context: RenderContext) -> tuple[str, int] | None:
    """Host and port of the tracking server; None where runs are kept in no server, or the URI is none."""
    try:
        parts = urlsplit(context.mlflow.get("MLFLOW_TRACKING_URI", ""))
        port = parts.port or _DEFAULT_PORTS.get(parts.scheme)
    except ValueError:
        return None
    return (parts.hostname, port) if parts.hostname and port else None


def _mlflow(context: RenderContext) -> list[dict[str, Any]]:
    found = _tracking(context)
    if found is None:
        return []
    host, port = found
    namespace = _service(context, host)
    if namespace is not None:
        return [_pods_of(namespace)]
    addresses = [host] if _is_ip(host) else sorted(context.addresses.get(host, ()))
    blocks = [ipaddress.ip_network(address) for address in addresses if _is_ip(address)]
    rules = [_to(Destination(block, port)) for block in blocks if block not in METADATA]
    words = host.split(".")
    if len(words) == 2 and not words[1].isdigit() and blocks and all(map(_of_services, blocks)):
        rules.append(_pods_of(words[1]))  # SERVICE.NAMESPACE, or a name of the house
    return rules


def _of_services(block: IpNetwork) -> bool:
    return any(destination(addresses).covers(block) for addresses in _SERVICES)


def _pods_of(namespace: str) -> dict[str, Any]:
    return {"to": [{"namespaceSelector": {"matchLabels": {_NAMESPACE: namespace}}}]}


def _service(context: RenderContext, host: str) -> str | None:
    """The namespace of the Service that a host name means inside the cluster; None where it means none."""
    words = host.rstrip(".").split(".")
    if len(words) == 1 and not _is_ip(host):
        return None if host == "localhost" else context.namespace
    return words[1] if len(words) >= 3 and words[2] == "svc" else None


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
