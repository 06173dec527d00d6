"""Admission: service accounts, limit ranges, Pod Security, quotas, and the webhooks of Kueue and JobSet."""

from __future__ import annotations

from . import limits, names, quota
from .defaults import NOT_READY, UNREACHABLE
from .kinds import Kind
from .pod_security import LABEL, violations
from .problems import Problem, forbidden
from .quantities import amount, written
from .store import Object, Store, random_suffix

JOB_SET = "jobset.sigs.k8s.io/"
QUEUE = "kueue.x-k8s.io/queue-name"
TOKEN_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"


def mutate(store: Store, kind: Kind, new: Object) -> None:
    """Fill in what the cluster gives its pods and claims. Raises `Problem` 403."""
    if kind.resource == names.PODS:
        _service_account(store, new)
        _priority(store, new)
        if f"{JOB_SET}jobset-name" in (new["metadata"].get("labels") or {}):
            new["metadata"]["labels"][f"{JOB_SET}priority"] = str(new["spec"].get("priority") or 0)
        _tolerations(new["spec"])
        limits.fill_in(store, new)
    elif kind.resource in (names.JOBS, names.JOB_SETS):
        if QUEUE in (new["metadata"].get("labels") or {}) and store.peek(names.CRDS, None, names.WORKLOADS):
            new["spec"]["suspend"] = True  # Kueue's webhook: nothing runs before it is admitted
    elif kind.resource == names.CLAIMS and "storageClassName" not in new["spec"]:
        for found in store.peek_all(names.STORAGE_CLASSES):
            marks = found["metadata"].get("annotations") or {}
            if marks.get("storageclass.kubernetes.io/is-default-class") == "true":
                new["spec"]["storageClassName"] = found["metadata"]["name"]


def check_new(store: Store, kind: Kind, new: Object) -> list[str]:
    """Warnings about a new object. Raises `Problem` 403 where the namespace does not allow it."""
    name, namespace = new["metadata"]["name"], new["metadata"].get("namespace")
    warnings = _security(store, kind, new)
    if kind.resource == names.PODS:
        refused = limits.refusals(store, new)
        if refused:
            raise forbidden(kind.resource, name, refused[0] if len(refused) == 1 else f"[{', '.join(refused)}]")
    if kind.resource == names.JOB_SETS:
        _job_set_names(name, new["spec"])
    if namespace:
        _quotas(store, kind, new)
    return warnings


def check_change(store: Store, kind: Kind, new: Object, old: Object) -> list[str]:
    """Warnings about a changed object."""
    return _security(store, kind, new) if kind.resource == names.JOBS and new.get("spec") != old.get("spec") else []


def _service_account(store: Store, pod: Object) -> None:
    spec, meta = pod["spec"], pod["metadata"]
    name = spec.get("serviceAccountName") or "default"
    account = store.peek(names.SERVICE_ACCOUNTS, meta["namespace"], name)
    if account is None:
        why = f'error looking up service account {meta["namespace"]}/{name}: serviceaccount "{name}" not found'
        raise Problem(403, f'pods "{meta["name"]}" is forbidden: {why}', details={"name": meta["name"], "kind": "pods"})
    spec["serviceAccountName"] = spec["serviceAccount"] = name
    wanted = spec.get("automountServiceAccountToken", account.get("automountServiceAccountToken", True))
    if not wanted:
        return
    volume = f"kube-api-access-{random_suffix()}"
    containers = [*spec["containers"], *(spec.get("initContainers") or [])]
    for container in containers:
        mounts = container.setdefault("volumeMounts", [])
        if all(mount.get("mountPath") != TOKEN_PATH for mount in mounts):
            mounts.append({"name": volume, "mountPath": TOKEN_PATH, "readOnly": True})
    field = {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}, "path": "namespace"}
    sources = [
        {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [field]}},
    ]
    spec.setdefault("volumes", []).append({"name": volume, "projected": {"defaultMode": 420, "sources": sources}})


def _priority(store: Store, pod: Object) -> None:
    spec, name = pod["spec"], pod["spec"].get("priorityClassName")
    found = store.peek(names.PRIORITY_CLASSES, None, name) if name else None
    if name and found is None and not name.startswith("system-"):
        why = f"no PriorityClass with name {name} was found"
        raise forbidden(names.PODS, pod["metadata"]["name"], why)
    spec["priority"] = (found or {}).get("value", 0)
    spec["preemptionPolicy"] = (found or {}).get("preemptionPolicy", "PreemptLowerPriority")


def _tolerations(spec: Object) -> None:
    there = spec.setdefault("tolerations", [])
    for key in (NOT_READY, UNREACHABLE):
        if all(each.get("key") not in (key, None) for each in there):
            there.append({"effect": "NoExecute", "key": key, "operator": "Exists", "tolerationSeconds": 300})


def _security(store: Store, kind: Kind, new: Object) -> list[str]:
    if kind.resource not in (names.PODS, names.JOBS):
        return []
    namespace = store.peek(names.NAMESPACES, None, new["metadata"]["namespace"])
    labels = (namespace or {}).get("metadata", {}).get("labels") or {}
    spec = new["spec"] if kind.resource == names.PODS else new["spec"]["template"]["spec"]

    def found(mode: str) -> tuple[str, str]:
        level = labels.get(LABEL + mode, "privileged")
        version = labels.get(f"{LABEL}{mode}-version", "latest")
        return f"{level}:{version}", violations(level, spec)

    level, words = found("enforce")
    if words and kind.resource == names.PODS:
        raise forbidden(names.PODS, new["metadata"]["name"], f'violates PodSecurity "{level}": {words}')
    level, words = found("warn")
    return [f'would violate PodSecurity "{level}": {words}'] if words else []


def _quotas(store: Store, kind: Kind, new: Object) -> None:
    name, namespace = new["metadata"]["name"], new["metadata"]["namespace"]
    wanted = quota.usage(kind.resource, new)
    for found in store.peek_all(names.QUOTAS, namespace):
        hard = found["spec"].get("hard") or {}
        own = found["metadata"]["name"]
        if kind.resource == names.PODS and (missing := _unspecified(new["spec"], hard)):
            raise forbidden(kind.resource, name, f"failed quota: {own}: must specify {missing}")
        asked = {key: value for key, value in wanted.items() if key in hard and value[0] > 0}
        if not asked:
            continue
        used = quota.used(store, namespace, hard)
        over = sorted(key for key, value in asked.items() if amount(used[key]) + value[0] > amount(hard[key]))
        if over:
            requested = ",".join(f"{key}={written(asked[key][0], asked[key][1])}" for key in over)
            taken = ",".join(f"{key}={used[key]}" for key in over)
            limited = ",".join(f"{key}={hard[key]}" for key in over)
            why = f"exceeded quota: {own}, requested: {requested}, used: {taken}, limited: {limited}"
            raise forbidden(kind.resource, name, why)


def _job_set_names(name: str, spec: Object) -> None:
    """JobSet's own webhook: the names that follow from its name must be names too."""
    for replicated in spec.get("replicatedJobs") or []:
        last = f"{name}-{replicated['name']}-{max(replicated.get('replicas', 1) - 1, 0)}"
        index = (replicated["template"]["spec"].get("completions") or 1) - 1
        too_long = "job" if len(last) > 63 else "pod" if len(f"{last}-{index}-abcde") > 63 else None
        if too_long:
            why = f"JobSet name is too long, {too_long} names generated for this JobSet will exceed 63 characters"
            raise Problem(403, f'admission webhook "vjobset.kb.io" denied the request: {why}', reason="Forbidden")


def _unspecified(spec: Object, hard: Object) -> str:
    """What a quota on CPU or memory wants each container to say, and which do not."""
    missing = []
    for key in sorted(hard):
        field, _, resource = key.partition(".") if "." in key else ("requests", ".", key)
        if resource not in quota.COMPUTE or field not in ("requests", "limits"):
            continue
        silent = [each["name"] for each in spec["containers"]
                  if resource not in ((each.get("resources") or {}).get(field) or {})]  # fmt: skip
        if silent:
            missing.append(f"{key} for: {','.join(silent)}")
    return "; ".join(missing)
