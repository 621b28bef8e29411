"""Judges pods as the admission controller of a namespace with `enforce: restricted` does.

Written from the Pod Security Standards of Kubernetes 1.34 to 1.37; `latest` includes every rule.
"""

from collections.abc import Iterator
from typing import Any

Spec = dict[str, Any]

_VOLUMES = {
    "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "image", "persistentVolumeClaim",
    "projected", "secret",
}  # fmt: skip
_SYSCTLS = {
    "kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.ip_unprivileged_port_start", "net.ipv4.ping_group_range", "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl", "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_rmem", "net.ipv4.tcp_syncookies",
    "net.ipv4.tcp_wmem",
}  # fmt: skip
_SECCOMP = {"RuntimeDefault", "Localhost"}
_SELINUX = {"", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"}
_HOOKS = ("postStart", "preStop")
_PROBES = ("startupProbe", "readinessProbe", "livenessProbe")


def violations(spec: Spec) -> list[str]:
    """Return what the restricted standard forbids in a pod; an empty list if nothing."""
    found = [f"{name} is true" for name in ("hostNetwork", "hostPID", "hostIPC") if spec.get(name)]
    for volume in spec.get("volumes", []):
        found += [f"volume {kind}" for kind in volume.keys() - {"name"} - _VOLUMES]
    common = spec.get("securityContext") or {}
    found += [f"pod: {each}" for each in _of_any_context(common)]
    for sysctl in common.get("sysctls", []):
        if sysctl["name"] not in _SYSCTLS:
            found.append(f"sysctl {sysctl['name']}")
    for kind in ("initContainers", "containers", "ephemeralContainers"):
        for container in spec.get(kind, []):
            found += [f"{container['name']}: {each}" for each in _of_container(container, common)]
    return found


def _of_container(container: Spec, common: Spec) -> Iterator[str]:
    context = container.get("securityContext") or {}
    yield from _of_any_context(context)
    if context.get("privileged"):
        yield "privileged"
    if context.get("allowPrivilegeEscalation") is not False:
        yield "allowPrivilegeEscalation is not false"
    if context.get("procMount", "Default") != "Default":
        yield "procMount"
    if not context.get("runAsNonRoot", common.get("runAsNonRoot")):
        yield "runAsNonRoot is not true"
    profile = context.get("seccompProfile", common.get("seccompProfile")) or {}
    if profile.get("type") not in _SECCOMP:
        yield "seccompProfile"
    capabilities = context.get("capabilities") or {}
    if "ALL" not in capabilities.get("drop", []):
        yield "capabilities are not dropped"
    for capability in set(capabilities.get("add", [])) - {"NET_BIND_SERVICE"}:
        yield f"capability {capability}"
    if any(port.get("hostPort") for port in container.get("ports", [])):
        yield "hostPort"
    handlers = [container.get(name) or {} for name in _PROBES]
    handlers += [(container.get("lifecycle") or {}).get(name) or {} for name in _HOOKS]
    for handler in handlers:
        if any((handler.get(kind) or {}).get("host") for kind in ("httpGet", "tcpSocket")):
            yield "host of a probe or hook"


def _of_any_context(context: Spec) -> Iterator[str]:
    """What is forbidden for pods and containers alike."""
    if context.get("runAsNonRoot") is False:
        yield "runAsNonRoot is false"
    if context.get("runAsUser") == 0:
        yield "runAsUser is 0"
    if (context.get("seccompProfile") or {}).get("type", "RuntimeDefault") not in _SECCOMP:
        yield "seccompProfile"
    if (context.get("appArmorProfile") or {}).get("type") == "Unconfined":
        yield "appArmorProfile"
    if (context.get("windowsOptions") or {}).get("hostProcess"):
        yield "hostProcess"
    linux = context.get("seLinuxOptions") or {}
    if linux.get("type", "") not in _SELINUX or linux.get("user") or linux.get("role"):
        yield "seLinuxOptions"
