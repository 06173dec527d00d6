"""The policy for idle kernels in Jupyter's configuration: `c.MlkJupyterApp.idle_ttl = "2h"`."""

from __future__ import annotations

import os
from typing import Any

from traitlets import Float, HasTraits, Unicode, Union

_PREFIX = "MLK_IDLE_"
_OTHERS = {"MLK_PROFILE", "MLK_PRICE_PER_HOUR", "MLK_CURRENCY"}


def _trait(variable: str, what: str) -> Any:
    words = f"{what} Empty: its default. {variable} in the environment wins over it."
    return Union([Unicode(), Float()], default_value="", help=words).tag(config=True)


class IdleTraits(HasTraits):
    """One trait a variable of `idle.policy.VALUES`, read as the variable is: lengths of time are texts like "1h30m"."""

    idle_mode = _trait("MLK_IDLE_MODE", "off, shadow or enforce: shadow watches kernels and stops none.")
    idle_ttl = _trait("MLK_IDLE_TTL", "How long a kernel may do nothing; 0: for ever.")
    idle_gpu_ttl = _trait("MLK_IDLE_GPU_TTL", "How long one may hold a GPU and do nothing.")
    idle_busy_silent_ttl = _trait("MLK_IDLE_BUSY_SILENT_TTL", "How long a cell may neither compute nor say anything.")
    idle_input_ttl = _trait("MLK_IDLE_INPUT_TTL", "How long a cell may wait in input().")
    idle_max_age = _trait("MLK_IDLE_MAX_AGE", "How long a kernel may run at all.")
    idle_server_ttl = _trait("MLK_IDLE_SERVER_TTL", "How long a server without kernels may do nothing.")
    idle_warn = _trait("MLK_IDLE_WARN", "How long before its end a person is told.")
    idle_lease_max = _trait("MLK_IDLE_LEASE_MAX", "For how long a person may keep a kernel at a time.")
    idle_lease_total = _trait("MLK_IDLE_LEASE_TOTAL", "For how long a person may keep one kernel altogether.")
    idle_cpu_pct = _trait("MLK_IDLE_CPU_PCT", "From which percentage of a core on a kernel counts as working.")
    idle_gpu_pct = _trait("MLK_IDLE_GPU_PCT", "From which percentage of a GPU on one does.")
    idle_io_bytes = _trait("MLK_IDLE_IO_BYTES", "From how many bytes a second on one does that reads or writes.")
    idle_checkpoint = _trait("MLK_IDLE_CHECKPOINT", "off, or list: names and sizes of what is lost are written down.")
    idle_audit_log = _trait("MLK_IDLE_AUDIT_LOG", "Whether decisions also go to the server's log: on or off.")
    idle_webhook = _trait("MLK_IDLE_WEBHOOK", "Where warnings and stops are posted, as JSON.")
    idle_profile = _trait("MLK_PROFILE", "JupyterHub profile of this server, for the figures.")
    idle_price_per_hour = _trait("MLK_PRICE_PER_HOUR", "Of the whole server.")
    idle_currency = _trait("MLK_CURRENCY", "Of the price: USD, EUR, …")

    def idle_traits(self) -> dict[str, str]:
        """What is set of them, by their names, as `idle.policy.configured` takes it."""
        values = {name: getattr(self, name) for name in self.trait_names(config=True) if name.startswith("idle_")}
        return {name: _as_text(value) for name, value in values.items() if value != ""}

    def idle_problems(self) -> list[str]:
        """All that is wrong with the policy, a sentence each. Where nobody set anything, nothing is loaded for it."""
        traits = self.idle_traits()
        if not traits and not any(name.startswith(_PREFIX) or name in _OTHERS for name in os.environ):
            return []
        from ..idle.policy import check

        return check(os.environ, traits)


def _as_text(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:f}".rstrip("0").rstrip(".")
