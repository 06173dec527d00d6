"""Pod Security Admission: what the levels `baseline` and `restricted` do not allow, in its words."""

from __future__ import annotations

from .store import Object

LABEL = "pod-security.kubernetes.io/"
BASELINE_CAPABILITIES = {
    "AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "SETFCAP",
    "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT",
}  # fmt: skip
VOLUMES = {
    "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "image", "persistentVolumeClaim", "projected", "secret",
}  # fmt: skip


def violations(level: str, spec: Object) -> str:
    """What a pod's spec violates of a level, as one text; "" when nothing."""
    if level not in ("baseline", "restricted"):
        return ""
    containers = [*(spec.get("initContainers") or []), *(spec.get("containers") or [])]
    found = _baseline(spec, containers)
    if level == "restricted":
        found += _restricted(spec, containers)
    return ", ".join(found)


def _context(found: Object) -> Object:
    return found.get("securityContext") or {}


def _names(containers: list[Object]) -> str:
    word = "container" if len(containers) == 1 else "containers"
    return f"{word} " + ", ".join(f'"{each["name"]}"' for each in containers)


def _quoted(values: list[str]) -> str:
    return ", ".join(f'"{value}"' for value in values)


def _baseline(spec: Object, containers: list[Object]) -> list[str]:
    found = []
    host = [f"{name}=true" for name in ("hostNetwork", "hostPID", "hostIPC") if spec.get(name)]
    if host:
        found.append(f"host namespaces ({', '.join(host)})")
    privileged = [each for each in containers if _context(each).get("privileged")]
    if privileged:
        found.append(f"privileged ({_names(privileged)} must not set securityContext.privileged=true)")
    bad = [each for each in containers if set(_added(each)) - BASELINE_CAPABILITIES]
    if bad:
        listed = sorted({name for each in bad for name in _added(each)} - BASELINE_CAPABILITIES)
        found.append(f"non-default capabilities ({_names(bad)} must not include {_quoted(listed)} in "
                     "securityContext.capabilities.add)")  # fmt: skip
    paths = [volume["name"] for volume in spec.get("volumes") or [] if "hostPath" in volume]
    if paths:
        found.append(f"hostPath volumes (volume{'s' if len(paths) > 1 else ''} {_quoted(paths)})")
    ports = [each for each in containers if any(port.get("hostPort") for port in each.get("ports") or [])]
    if ports:
        numbers = [str(port["hostPort"]) for each in ports for port in each["ports"] if port.get("hostPort")]
        word = "hostPort" if len(numbers) == 1 else "hostPorts"
        verb = "uses" if len(ports) == 1 else "use"
        found.append(f"hostPort ({_names(ports)} {verb} {word} {', '.join(numbers)})")
    return found


def _restricted(spec: Object, containers: list[Object]) -> list[str]:
    found, pod = [], _context(spec)
    escalating = [each for each in containers if _context(each).get("allowPrivilegeEscalation") is not False]
    if escalating:
        found.append(f"allowPrivilegeEscalation != false ({_names(escalating)} must set "
                     "securityContext.allowPrivilegeEscalation=false)")  # fmt: skip
    undropped = [each for each in containers if "ALL" not in (_context(each).get("capabilities") or {}).get("drop", [])]
    added = [each for each in containers if set(_added(each)) - {"NET_BIND_SERVICE"}]
    if undropped or added:
        words = [f'{_names(undropped)} must set securityContext.capabilities.drop=["ALL"]'] if undropped else []
        if added:
            listed = sorted({name for each in added for name in _added(each)} - {"NET_BIND_SERVICE"})
            words.append(f"{_names(added)} must not include {_quoted(listed)} in securityContext.capabilities.add")
        found.append(f"unrestricted capabilities ({'; '.join(words)})")
    for volume in spec.get("volumes") or []:
        kinds = [kind for kind in volume if kind != "name" and kind not in VOLUMES]
        if kinds:
            found.append(
                f'restricted volume types (volume "{volume["name"]}" uses restricted volume type "{kinds[0]}")'
            )
    relaxed = spec.get("hostUsers") is False  # root of a user namespace is nobody outside
    open_ = [each for each in containers if not _context(each).get("runAsNonRoot", pod.get("runAsNonRoot"))]
    if open_ and not relaxed:
        found.append(f"runAsNonRoot != true (pod or {_names(open_)} must set securityContext.runAsNonRoot=true)")
    roots = ["pod"] if pod.get("runAsUser") == 0 else []
    rooted = [each for each in containers if _context(each).get("runAsUser") == 0]
    roots += [_names(rooted)] if rooted else []
    if roots and not relaxed:
        found.append(f"runAsUser=0 ({' and '.join(roots)} must not set runAsUser=0)")
    bare = [each for each in containers if not _profile(each) and not _profile(spec)]
    if bare:
        found.append(f"seccompProfile (pod or {_names(bare)} must set securityContext.seccompProfile.type to "
                     '"RuntimeDefault" or "Localhost")')  # fmt: skip
    return found


def _added(container: Object) -> list[str]:
    return list((_context(container).get("capabilities") or {}).get("add") or [])


def _profile(found: Object) -> bool:
    return (_context(found).get("seccompProfile") or {}).get("type") in ("RuntimeDefault", "Localhost")
