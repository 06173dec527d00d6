"""What exporters call the same figure. The first name that is there is taken."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

Figure = Literal["busy", "used", "free", "reserved", "total", "power"]

_MIB = 1024.0**2


@dataclass(frozen=True, slots=True)
class Family:
    """One metric of one exporter."""

    name: str
    figure: Figure
    scale: float = 1.0
    """Its unit in ours: a share of 1, bytes, watts."""
    not_under_mig: bool = False
    """The driver says 0 of a GPU that is cut into slices, whatever runs there."""


# Names and units: dcgm-exporter's own list of counters (default-counters.csv) and, of its first version, the list for
# compatibility (1.x-compatibility-metrics.csv); nvitop-exporter; the device-metrics-exporter of AMD; Habana's metric
# exporter; AWS' neuron-monitor. Those before others of the same figure are believed first.
FAMILIES: tuple[Family, ...] = (
    Family("DCGM_FI_PROF_GR_ENGINE_ACTIVE", "busy"),
    Family("DCGM_FI_DEV_GPU_UTIL", "busy", 0.01, not_under_mig=True),
    Family("DCGM_FI_DEV_FB_USED", "used", _MIB),
    Family("DCGM_FI_DEV_FB_FREE", "free", _MIB),
    Family("DCGM_FI_DEV_FB_RESERVED", "reserved", _MIB),
    Family("DCGM_FI_DEV_POWER_USAGE", "power"),
    Family("dcgm_gpu_utilization", "busy", 0.01, not_under_mig=True),
    Family("dcgm_fb_used", "used", _MIB),
    Family("dcgm_fb_free", "free", _MIB),
    Family("dcgm_power_usage", "power"),
    Family("gpu_utilization", "busy", 0.01, not_under_mig=True),
    Family("gpu_memory_used", "used", _MIB),
    Family("gpu_memory_total", "total", _MIB),
    Family("nvidia_smi_utilization_gpu_ratio", "busy", not_under_mig=True),
    Family("nvidia_smi_memory_used_bytes", "used"),
    Family("nvidia_smi_memory_total_bytes", "total"),
    Family("nvidia_smi_power_draw_watts", "power"),
    Family("nvidia_gpu_duty_cycle", "busy", 0.01, not_under_mig=True),
    Family("nvidia_gpu_memory_used_bytes", "used"),
    Family("nvidia_gpu_memory_total_bytes", "total"),
    Family("gpu_gfx_activity", "busy", 0.01),
    Family("gpu_used_vram", "used", _MIB),
    Family("gpu_total_vram", "total", _MIB),
    Family("gpu_package_power", "power"),
    Family("habanalabs_utilization", "busy", 0.01),
    Family("habanalabs_memory_used_bytes", "used"),
    Family("habanalabs_memory_total_bytes", "total"),
    Family("habanalabs_power_mW", "power", 0.001),
    Family("neuroncore_utilization_ratio", "busy"),
    Family("neuron_runtime_memory_used_bytes", "used"),
)
BY_NAME: Mapping[str, tuple[int, Family]] = {family.name: (rank, family) for rank, family in enumerate(FAMILIES)}

# What the same label is called, the more particular first: a scrape without `honorLabels` puts the workload's labels
# behind `exported_`, and the plain ones are then the exporter's own.
_UUID = ("UUID", "uuid", "gpu_uuid", "serial_number", "neuron_device", "device_uuid")
_NODE = ("hostname", "Hostname", "node", "kubernetes_node", "nodename")
_PRODUCT = ("modelName", "model_name", "card_model", "gpu_name", "product_name", "name")
_NAMESPACE = ("exported_namespace", "pod_namespace", "namespace")
_POD = ("exported_pod", "pod_name", "pod")
_CONTAINER = ("exported_container", "container_name", "container")
_INDEX = ("gpu", "gpu_id", "neuroncore", "minor_number", "index")


@dataclass(frozen=True, slots=True)
class Labels:
    """Whose one row is."""

    uuid: str
    instance: str | None
    profile: str | None
    product: str | None
    node: str | None
    namespace: str | None
    pod: str | None
    container: str | None
    replica: str | None

    @classmethod
    def of(cls, labels: Mapping[str, str]) -> Labels | None:
        """None where the row names no device."""
        found = _reader(labels)
        uuid, node = found(_UUID), found(_NODE)
        if uuid is None:
            index = found(_INDEX)
            if index is None:
                return None
            uuid = f"{node or found(('instance',)) or ''}#{index}"
        pod = found(_POD)
        if pod is not None and is_exporter(pod):
            pod = None  # honorLabels gives a GPU that nobody holds the exporter's own pod
        namespace = found(_NAMESPACE) if pod else None
        return cls(
            uuid,
            found(("GPU_I_ID",)),
            found(("GPU_I_PROFILE",)),
            found(_PRODUCT),
            node,
            namespace,
            pod,
            found(_CONTAINER) if pod else None,
            found(("vgpu",)),
        )


def is_exporter(pod: str) -> bool:
    """Whether a pod is one that tells of GPUs, and so holds none."""
    return "dcgm-exporter" in pod or "metrics-exporter" in pod or "gpu-exporter" in pod


def _reader(labels: Mapping[str, str]) -> Callable[[tuple[str, ...]], str | None]:
    def read(names: tuple[str, ...]) -> str | None:
        return next((labels[name] for name in names if labels.get(name)), None)

    return read
