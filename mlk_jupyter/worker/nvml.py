"""GPU use through NVML, the driver's own library, without a package."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional

_BUFFER = 96  # NVML's longest name, its end included


class Nvml:
    """The GPUs that this rank may use. None are found where there is no driver.

    Args: visible: CUDA_VISIBLE_DEVICES: numbers or the beginnings of UUIDs; None means all. CUDA stops reading at the
          first entry it does not know, and so does this. Numbers are taken in NVML's order.
    """

    def __init__(self, visible: Optional[str]) -> None:
        self._lib: Any = None
        self._devices: List[Dict[str, Any]] = []
        import ctypes

        try:
            self._lib = ctypes.CDLL("libnvidia-ml.so.1")
            if self._lib.nvmlInit_v2() != 0:
                return
            self._devices = _choose(self._all(), visible)
        except (OSError, AttributeError):
            return

    def sample(self) -> List[Dict[str, Any]]:
        """One dict for each GPU: index, uuid, name, busy (0-1), memory_bytes, memory_total_bytes."""
        return [self._measure(device) for device in self._devices]

    def _all(self) -> List[Dict[str, Any]]:
        import ctypes

        count = ctypes.c_uint()
        if self._lib.nvmlDeviceGetCount_v2(ctypes.byref(count)) != 0:
            return []
        devices = []
        for index in range(count.value):
            handle = ctypes.c_void_p()
            if self._lib.nvmlDeviceGetHandleByIndex_v2(index, ctypes.byref(handle)) == 0:
                uuid = self._text(self._lib.nvmlDeviceGetUUID, handle)
                name = self._text(self._lib.nvmlDeviceGetName, handle)
                devices.append({"index": index, "handle": handle, "uuid": uuid, "name": name})
        return devices

    def _text(self, function: Any, handle: Any) -> Optional[str]:
        import ctypes

        buffer = ctypes.create_string_buffer(_BUFFER)
        return buffer.value.decode("utf-8", "replace") if function(handle, buffer, _BUFFER) == 0 else None

    def _measure(self, device: Dict[str, Any]) -> Dict[str, Any]:
        import ctypes

        use = (ctypes.c_uint * 2)()  # nvmlUtilization_t: gpu, memory; percent
        memory = (ctypes.c_ulonglong * 3)()  # nvmlMemory_t: total, free, used; bytes
        handle = device["handle"]
        known = self._lib.nvmlDeviceGetUtilizationRates(handle, ctypes.byref(use)) == 0
        sized = self._lib.nvmlDeviceGetMemoryInfo(handle, ctypes.byref(memory)) == 0
        return {
            "index": device["index"],
            "uuid": device["uuid"],
            "name": device["name"],
            "busy": use[0] / 100 if known else None,
            "memory_bytes": memory[2] if sized else None,
            "memory_total_bytes": memory[0] if sized else None,
        }


def _choose(devices: List[Dict[str, Any]], visible: Optional[str]) -> List[Dict[str, Any]]:
    if visible is None:
        return devices
    chosen: List[Dict[str, Any]] = []
    for word in (word.strip() for word in visible.split(",")):
        found = [
            device
            for device in devices
            if (word.isdigit() and device["index"] == int(word))
            or (word.startswith("GPU-") and str(device["uuid"]).startswith(word))
        ]
        if len(found) != 1:
            break
        chosen += found
    return chosen
