"""Which GPUs this machine has, and what they do. Floor 2."""

from .inventory import Gpu, GpuUse, Inventory, inventory, use

__all__ = ["Gpu", "GpuUse", "Inventory", "inventory", "use"]
