"""Full names of the resources that the server knows by itself, as the store is asked for them."""

from __future__ import annotations

PODS, EVENTS, NODES, NAMESPACES = "pods", "events", "nodes", "namespaces"
CONFIG_MAPS, SECRETS, SERVICES, SERVICE_ACCOUNTS = "configmaps", "secrets", "services", "serviceaccounts"
CLAIMS, VOLUMES = "persistentvolumeclaims", "persistentvolumes"
QUOTAS, LIMIT_RANGES = "resourcequotas", "limitranges"
JOBS = "jobs.batch"
STORAGE_CLASSES, PRIORITY_CLASSES = "storageclasses.storage.k8s.io", "priorityclasses.scheduling.k8s.io"
JOB_SETS = "jobsets.jobset.x-k8s.io"
WORKLOADS, LOCAL_QUEUES = "workloads.kueue.x-k8s.io", "localqueues.kueue.x-k8s.io"
CLUSTER_QUEUES, RESOURCE_FLAVORS = "clusterqueues.kueue.x-k8s.io", "resourceflavors.kueue.x-k8s.io"
ROLES, ROLE_BINDINGS = "roles.rbac.authorization.k8s.io", "rolebindings.rbac.authorization.k8s.io"
CLUSTER_ROLES = "clusterroles.rbac.authorization.k8s.io"
CLUSTER_ROLE_BINDINGS = "clusterrolebindings.rbac.authorization.k8s.io"
CRDS = "customresourcedefinitions.apiextensions.k8s.io"
