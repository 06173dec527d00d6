"""The pod of one worker, the same for every kind. Pure."""

from __future__ import annotations

from typing import Any

from ....model import JobSpec
from ....model.cluster import RANK_MEMORY
from ....quantities import form_of, parse, printed
from .. import labels
from .environment import ARCHIVE, USER_ID, WORK, escaped, sources, variables
from .mounts import Mounts
from .placement import placement
from .render_context import RenderContext

# The image is not ours: its Python may bear either name. Nothing that a person wrote stands in these lines.
_START = f"""for python in python3 python; do
  command -v "$python" > /dev/null 2>&1 && exec "$python" {ARCHIVE} "$@"
done
"""
_NO_PYTHON = (
    '{"ename": "NoPython", "evalue": "The image has neither python3 nor python on its PATH. '
    'Choose an image with Python 3.9 or later."}'
)
_RUN = f"""{_START}echo '{_NO_PYTHON}' | tee "$MLK_LAST_WORDS" >&2
exit 127
"""
_STAGE = f"""{_START}echo 'The staging image has no Python: the files beside the notebook are not there.' >&2
mkdir -p "$MLK_FILES" && cd "$MLK_FILES" || exit 1
shift 2
exec "$@"
"""
# A half-done job is worth more than a node that could be packed tighter.
_STAY = {"cluster-autoscaler.kubernetes.io/safe-to-evict": "false", "karpenter.sh/do-not-disrupt": "true"}
# A service mesh's proxy does not end when the ranks do, so the job never would; and it stands between the ranks.
_NO_PROXY_LABELS = {"sidecar.istio.io/inject": "false"}
_NO_PROXY = {"sidecar.istio.io/inject": "false", "linkerd.io/inject": "disabled"}


def pod_template(
    context: RenderContext, *, master: str, subdomain: str | None, container: str = labels.CONTAINER
) -> dict[str, Any]:
    """The template of a worker's pod.

    Args:
        master:    name under which the first worker is reached.
        subdomain: Service that gives the pods their names; None where somebody else sets it.
        container: name of the container that runs the ranks, where a controller looks for one.
    """
    options = context.spec.cluster
    called = {} if container == labels.CONTAINER else {labels.DEFAULT_CONTAINER: container}
    return {
        "metadata": {
            "labels": {**_NO_PROXY_LABELS, **options.labels, **context.labels},
            "annotations": {**_STAY, **_NO_PROXY, **options.annotations, **called},
        },
        "spec": {
            **({} if subdomain is None else {"subdomain": subdomain}),
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": context.spec.grace_period_s,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,  # a variable for each Service of the namespace, which only slow the start
            **_present(
                serviceAccountName=options.service_account,
                priorityClassName=options.priority,
                imagePullSecrets=[{"name": name} for name in dict.fromkeys(options.image_pull_secrets)],
            ),
            **placement(context),
            "securityContext": _pod_security(context),
            **_containers(context, master, container),
        },
    }


def _containers(context: RenderContext, master: str, name: str) -> dict[str, Any]:
    options = context.spec.cluster
    mounts = Mounts(context)
    # The folder is made by whoever runs in the pod: one that the container runtime makes would belong to root.
    common: dict[str, Any] = {"workingDir": WORK, "env": variables(context, master)}
    if sources(context):
        common["envFrom"] = sources(context)
    worker = {
        "name": name,
        "image": context.image,
        **_present(imagePullPolicy=options.image_pull_policy),
        "command": ["sh", "-c", _RUN, "mlk"],
        # A rank writes down why it failed. Where none ever ran, the runtime's or the shell's last words tell.
        "terminationMessagePolicy": "FallbackToLogsOnError",
        **common,
        "resources": resources(context.spec),
        **_present(securityContext=_security(context)),
        "volumeMounts": mounts.everywhere,
    }
    found: dict[str, Any] = {"containers": [worker], "volumes": mounts.volumes}
    if options.staging:
        staging = {
            **worker,
            "name": labels.STAGING,
            "image": options.staging_image or context.image,
            "command": ["sh", "-c", _STAGE, "mlk", "--stage", "--", *escaped(options.staging)],
            "resources": resources(context.spec, gpus=False),
        }
        found = {"initContainers": [staging], **found}
    return found


def resources(spec: JobSpec, *, gpus: bool = True) -> dict[str, Any]:
    """What a worker requests, and its limits. What is named in the spec is both; what is not has no limit."""
    options = spec.cluster
    requests = {
        "cpu": options.cpu or str(spec.ranks_in_worker),
        "memory": options.memory or printed(parse(RANK_MEMORY) * spec.ranks_in_worker, form_of(RANK_MEMORY)),
    }
    limits = {name: value for name, value in (("cpu", options.cpu), ("memory", options.memory)) if value is not None}
    if gpus and spec.gpus:
        requests[options.gpu_resource] = limits[options.gpu_resource] = str(spec.gpus)
    return {"requests": requests, **({"limits": limits} if limits else {})}


def _pod_security(context: RenderContext) -> dict[str, Any]:
    seccomp = {"seccompProfile": {"type": "RuntimeDefault"}}
    if context.spec.cluster.run_as == "image":
        return seccomp
    user = {"runAsUser": USER_ID, "runAsGroup": USER_ID, "fsGroup": USER_ID} if context.names_user else {}
    return {
        "runAsNonRoot": True,
        **user,
        "fsGroupChangePolicy": "OnRootMismatch",  # else every file of a large volume is touched at each start
        **seccomp,
    }


def _security(context: RenderContext) -> dict[str, Any]:
    """The root file system stays writable: the NVIDIA runtime writes into it, and this user may hardly anywhere."""
    if context.spec.cluster.run_as == "image":
        return {}
    return {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


def _present(**fields: Any) -> dict[str, Any]:
    """Those fields that say something."""
    return {name: value for name, value in fields.items() if value}
