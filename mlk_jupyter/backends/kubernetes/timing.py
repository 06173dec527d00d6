"""How long things take around a cluster's jobs. Tests take other times."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Timing:
    """How long things take, in seconds."""

    first_list_s: float = 5.0
    """How long viewers wait for a cluster before they get what was written down."""
    first_retry_s: float = 1.0
    last_retry_s: float = 15.0
    elsewhere_s: float = 1.0
    """How often the records of other processes are looked at."""
    take_over_s: float = 5.0
    """How often the lock of such a record is tried."""
    linger_s: float = 3.0
    """A page that is loaded again finds the watch running."""
    catch_up_s: float = 86_400.0
    """A job that ended longer ago is recorded when somebody looks at it."""
    largest_s: float = 60.0
    """How old what is known of the largest node may be while a job waits for it."""
