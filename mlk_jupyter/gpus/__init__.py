"""Which GPUs this machine has, and what they do."""

from .inventory import Gpu, GpuUse, Inventory, inventory, use

__all__ = ["Gpu", "GpuUse", "Inventory", "inventory", "use"]
