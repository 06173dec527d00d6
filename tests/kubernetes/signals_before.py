"""Texts that keep a pod from being created or from finding a node, as Kubernetes words them."""

from __future__ import annotations

from clusterobjects import spec
from signals import CLAIM, FIT, FORBIDDEN, GPU, NO_VICTIMS, PREEMPTION, placed, refused

from mlk_jupyter.backends.kubernetes.status.explain.background import Background

TAINTS = [
    {"key": "spot", "effect": "NoExecute"},
    {"key": "dedicated", "value": "db", "effect": "NoSchedule"},
    {"key": "dedicated", "value": "db", "effect": "NoSchedule"},
    {"key": "soft", "effect": "PreferNoSchedule"},
]

SCHEDULING = [
    placed(
        "more GPUs than any node has",
        "0/5 nodes are available: 5 Insufficient nvidia.com/gpu." + PREEMPTION,
        "larger_than_any_node",
        "Waiting: needs 2 × 16 GPUs; the largest node has 8.",
        asked=spec(2, 16),
        facts=FIT,
        limits=GPU,
    ),
    placed(
        "GPUs in use",
        "0/5 nodes are available: 5 Insufficient nvidia.com/gpu. no new claims to deallocate," + NO_VICTIMS,
        "insufficient_gpu",
        "needs 4 GPUs",
        "none of the 5 nodes",
        asked=spec(1, 4),
        facts=FIT,
        limits={"nvidia.com/gpu": "4"},
    ),
    placed(
        "no such GPU anywhere",
        "0/2 nodes are available: 2 Insufficient amd.com/gpu.",
        "no_such_resource",
        "needs 1 GPU",
        "no node of the cluster has any",
        asked=spec(1, 1, gpu_resource="amd.com/gpu"),
        facts=FIT,
        limits={"amd.com/gpu": "1"},
    ),
    placed(
        "a MIG slice",
        "0/1 nodes are available: 1 Insufficient nvidia.com/mig-1g.10gb.",
        "insufficient_gpu",
        "nvidia.com/mig-1g.10gb",
        limits={"nvidia.com/mig-1g.10gb": "1"},
    ),
    placed(
        "another device",
        "0/3 nodes are available: 3 Insufficient rdma/hca.",
        "insufficient_resource",
        "rdma/hca",
        limits={"rdma/hca": "1"},
    ),
    placed("CPU", "0/3 nodes are available: 3 Insufficient cpu.", "insufficient_cpu", "8 cores", limits={"cpu": "8"}),
    placed(
        "memory",
        "0/3 nodes are available: 3 Insufficient memory.",
        "larger_than_any_node",
        "100 GiB of memory",
        "the largest node has 64 GiB",
        limits={"memory": "100Gi"},
        facts=FIT,
    ),
    placed(
        "memory in use",
        "0/3 nodes are available: 3 Insufficient memory.",
        "insufficient_memory",
        "60 GiB of memory",
        "so much free",
        limits={"memory": "60Gi"},
        facts=FIT,
    ),
    placed(
        "CPU that no node could give, by the scheduler's word",
        "0/5 nodes are available: 1 node(s) had untolerated taint(s), 4 Insufficient cpu." + PREEMPTION,
        "larger_than_any_node",
        "needs 200 cores of CPU; each node that it may use has less than that, also when nothing else runs there.",
        limits={"cpu": "200"},
    ),
    placed(
        "CPU that no node could give, where the nodes are known",
        "0/5 nodes are available: 5 Insufficient cpu." + NO_VICTIMS,
        "larger_than_any_node",
        "needs 200 cores of CPU; the largest node has 32 cores.",
        limits={"cpu": "200"},
        facts=FIT,
    ),
    placed(
        "memory and CPU that no node has together",
        "0/5 nodes are available: 5 Insufficient cpu, 5 Insufficient memory." + PREEMPTION,
        "larger_than_any_node",
        "with memory",
        limits={"cpu": "8", "memory": "9Gi"},
    ),
    placed("disk", "0/3 nodes are available: 3 Insufficient ephemeral-storage.", "insufficient_disk", "local disk"),
    placed(
        "taint on GPU nodes",
        "0/8 nodes are available: 2 node(s) had untolerated taint {nvidia.com/gpu: present}, "
        "6 Insufficient nvidia.com/gpu." + PREEMPTION,
        "untolerated_taint",
        "2 nodes of 8",
        "nvidia.com/gpu=present",
        "6 have too few GPUs free",
        limits=GPU,
    ),
    placed(
        "taint, as older schedulers say it",
        "0/2 nodes are available: 2 node(s) had taint {dedicated: db}, that the pod didn't tolerate.",
        "untolerated_taint",
        "dedicated=db",
    ),
    placed(
        "taint that is not named",
        "0/4 nodes are available: 4 node(s) had untolerated taint(s).",
        "untolerated_taint",
        "a taint that it does not tolerate",
    ),
    placed(
        "taint that the nodes name",
        "0/4 nodes are available: 4 node(s) had untolerated taint(s).",
        "untolerated_taint",
        "4 nodes of 4 repel it by the taints dedicated=db and spot.",
        facts=Background(taints=TAINTS),
    ),
    placed(
        "taint that the GPU nodes name",
        "0/8 nodes are available: 2 node(s) had untolerated taint(s), 6 Insufficient nvidia.com/gpu." + PREEMPTION,
        "untolerated_taint",
        "2 nodes of 8 repel it by the taint nvidia.com/gpu=present.",
        "6 have too few GPUs free",
        facts=Background(taints=[{"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}]),
        limits=GPU,
    ),
    placed(
        "taint of a node that is not well",
        "0/1 nodes are available: 1 node(s) had untolerated taint(s).",
        "untolerated_taint",
        "1 node of 1 repels it by the taint node.kubernetes.io/disk-pressure.",
        facts=Background(taints=[{"key": "node.kubernetes.io/disk-pressure", "effect": "NoSchedule"}]),
    ),
    placed(
        "GPU product absent",
        "0/4 nodes are available: 4 node(s) didn't match Pod's node affinity/selector.",
        "gpu_product_absent",
        "NVIDIA-H100-PCIe",
        asked=spec(1, 1, gpu_product="NVIDIA-H100-PCIe"),
    ),
    placed(
        "node selector",
        "0/4 nodes are available: 4 node(s) didn't match Pod's node affinity/selector.",
        "node_selector",
        "4 of 4 nodes",
        "disk=ssd",
        asked=spec(node_selector={"disk": "ssd"}),
    ),
    placed(
        "one worker per node",
        "0/2 nodes are available: 1 Insufficient cpu, 1 node(s) didn't match pod anti-affinity rules.",
        "one_worker_per_node",
        "3 workers",
        asked=spec(3, one_worker_per_node=True),
    ),
    placed(
        "somebody else's anti-affinity",
        "0/2 nodes are available: 2 node(s) didn't satisfy existing pods anti-affinity rules.",
        "pod_anti_affinity",
        "2 of 2 nodes run pods that it must not be beside",
    ),
    placed(
        "GPU product among other wishes",
        "0/4 nodes are available: 4 node(s) didn't match Pod's node affinity/selector.",
        "node_selector",
        "(disk=ssd and nvidia.com/gpu.product=NVIDIA-L4)",
        asked=spec(1, 1, gpu_product="NVIDIA-L4", node_selector={"disk": "ssd"}),
    ),
    placed(
        "volume in another zone",
        "0/3 nodes are available: 1 Insufficient nvidia.com/gpu, 2 node(s) had volume node affinity conflict.",
        "volume_elsewhere",
        "imagenet",
        volumes=CLAIM,
    ),
    placed(
        "claim without volume",
        "0/3 nodes are available: pod has unbound immediate PersistentVolumeClaims. not found",
        "claim_unbound",
        "imagenet",
        volumes=CLAIM,
    ),
    placed(
        "claim that does not exist",
        '0/3 nodes are available: persistentvolumeclaim "imagenet" not found.' + PREEMPTION,
        "claim_not_found",
        "imagenet",
    ),
    placed(
        "claim being deleted",
        '0/3 nodes are available: persistentvolumeclaim "imagenet" is being deleted.',
        "claim_lost",
        "imagenet",
    ),
    placed(
        "no volume to bind",
        "0/3 nodes are available: 3 node(s) didn't find available persistent volumes to bind.",
        "no_volume",
    ),
    placed(
        "claim for one pod",
        "0/3 nodes are available: 3 node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode "
        "already in-use by another pod.",
        "claim_in_use",
    ),
    placed(
        "volumes of a node", "0/1 nodes are available: 1 node(s) exceed max volume count.", "volume_limit", "only node"
    ),
    placed("cordoned", "0/2 nodes are available: 2 node(s) were unschedulable.", "node_cordoned", "maintenance"),
    placed(
        "not ready",
        "0/2 nodes are available: 2 node(s) had untolerated taint {node.kubernetes.io/not-ready: }.",
        "node_not_ready",
        "2 of 2 nodes",
    ),
    placed("pods per node", "0/2 nodes are available: 2 Too many pods.", "too_many_pods"),
    placed(
        "host port",
        "0/2 nodes are available: 2 node(s) didn't have free ports for the requested pod ports.",
        "node_ports",
    ),
    placed("devices by claim", "0/2 nodes are available: 2 cannot allocate all claims.", "devices_unavailable"),
    placed(
        "spread", "0/2 nodes are available: 2 node(s) didn't match pod topology spread constraints.", "topology_spread"
    ),
    placed("affinity to pods", "0/2 nodes are available: 2 node(s) didn't match pod affinity rules.", "pod_affinity"),
    placed("no nodes", "no nodes available to schedule pods", "no_nodes"),
    placed("a new cause", "0/2 nodes are available: 2 node(s) dislike Mondays.", "unschedulable", "dislike Mondays"),
    placed("a new message", "the pod group waits for quorum", "unschedulable", "the pod group waits for quorum"),
]

ADMISSION = [
    refused(
        "quota",
        FORBIDDEN + "exceeded quota: ml-team-quota, requested: requests.nvidia.com/gpu=4,requests.memory=64Gi, "
        "used: requests.nvidia.com/gpu=6,requests.memory=10Gi, limited: requests.nvidia.com/gpu=8,requests.memory=32Gi",
        "quota_exceeded",
        "ml-team-quota",
        "GPUs: asks 4, 6 of 8 used",
        "memory: asks 64Gi, 10Gi of 32Gi used",
    ),
    refused(
        "quota that wants requests",
        FORBIDDEN + "failed quota: compute: must specify limits.cpu for: worker; limits.memory for: worker",
        "quota_needs_requests",
        "limits.memory for: worker",
    ),
    refused(
        "LimitRange",
        FORBIDDEN + "maximum memory usage per Container is 8Gi, but limit is 16Gi",
        "limit_range",
        "at most 8Gi of memory",
        "it has 16Gi",
    ),
    refused(
        "LimitRange ratio",
        FORBIDDEN + "cpu max limit to request ratio per Container is 2, but provided ratio is 4.000000",
        "limit_range",
        "at most 2 times",
    ),
    refused(
        "Pod Security",
        FORBIDDEN
        + 'violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false (container "worker" must '
        "set securityContext.allowPrivilegeEscalation=false), unrestricted capabilities (container "
        '"worker" must set securityContext.capabilities.drop=["ALL"]), runAsNonRoot != true (pod or container "worker" '
        "must set securityContext.runAsNonRoot=true)",
        "pod_security",
        "restricted:latest",
        "allowPrivilegeEscalation != false, unrestricted capabilities and runAsNonRoot != true",
    ),
    refused(
        "OpenShift's constraints",
        FORBIDDEN + "unable to validate against any security context constraint: [provider restricted-v2: .spec]",
        "pod_security",
        "restricted-v2",
    ),
    refused(
        "webhook refuses",
        'Error creating: admission webhook "images.example.com" denied the request: image is not signed',
        "policy_refused",
        "images.example.com",
        "image is not signed",
    ),
    refused(
        "policy refuses",
        FORBIDDEN + "ValidatingAdmissionPolicy 'no-latest' with binding 'all' denied request: tag latest is forbidden",
        "policy_refused",
        "no-latest",
        "tag latest is forbidden",
    ),
    refused(
        "webhook down",
        'Error creating: Internal error occurred: failed calling webhook "mpod.kb.io": failed to call webhook: Post '
        '"https://kueue.svc:443/mutate?timeout=10s": dial tcp 10.0.0.1:443: connect: connection refused',
        "webhook_down",
        "mpod.kb.io",
        "connection refused",
    ),
    refused(
        "service account",
        FORBIDDEN + 'error looking up service account ml-team/trainer: serviceaccount "trainer" not found',
        "service_account_not_found",
        "ServiceAccount trainer",
    ),
    refused(
        "priority class",
        FORBIDDEN + "no PriorityClass with name urgent was found",
        "priority_class_not_found",
        "urgent",
    ),
    refused(
        "namespace going away",
        FORBIDDEN + "unable to create new content in namespace ml-team because it is being terminated",
        "namespace_terminating",
        "ml-team",
    ),
    refused("a new refusal", FORBIDDEN + "the moon is full", "pod_refused", "the moon is full"),
]
