"""How long things take around a cluster's jobs, in seconds. Tests take other times."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Limits:
    """How long requests may take, and how patiently a job's objects are created."""

    connect_s: float = 10.0
    answer_s: float = 45.0
    """Longest silence in an ordinary call."""
    whole_s: float = 120.0
    """Longest ordinary call."""
    silence_s: float = 70.0
    """Longest silence in a stream: the API server sends a bookmark every minute."""
    watch_s: tuple[float, float] = (240.0, 300.0)
    """Between these lies what is asked for as the length of a watch."""
    plugin_s: float = 20.0
    look_s: float = 10.0
    """How often the files of the credentials are looked at."""
    renew_s: float = 15.0
    """Shortest time between two renewals that the server or a failure asked for."""
    before_expiry_s: float = 30.0
    tries: int = 6
    """How often a creation is tried while the cluster is away, busy or in trouble."""
    first_wait_s: float = 0.2
    """Between the first two tries; it doubles."""
    longest_wait_s: float = 3.0


@dataclass(frozen=True)
class Times:
    """While a resource is watched."""

    first_wait_s: float = 0.2
    longest_wait_s: float = 15.0
    relist_s: float = 600.0
    recheck_s: float = 300.0
    """How often a missing right is asked about."""
    short_s: float = 1.0
    """A watch that ends before this without a word is an error."""
    watch_s: tuple[float, float] = (240.0, 300.0)


@dataclass(frozen=True)
class RecordingTiming:
    """While a job is written down."""

    tick_s: float = 0.1
    """Between two looks at what has come."""
    unseen_s: float = 0.5
    """The same while nobody looks."""
    snap_s: float = 0.5
    """Between two snapshots: what a process that is killed reads again."""
    looked_s: float = 5.0
    """Between two looks whether anybody still looks."""
    look_s: float = 15.0
    """How long a look holds."""
    last_logs_s: float = 30.0
    """For the logs of a job that is over."""
    late_s: float = 5.0
    """From a job's end in its Job to that in its pods, at the most."""
    full_s: float = 10.0
    """Between two tries to write the end on a full disk."""
    shortest_s: float = 0.2
    """The first pause between two requests for one log."""
    longest_s: float = 15.0
    forbidden_s: float = 300.0
    """Between two requests for a log that may not be read."""
    # A following request that says nothing may have lost its far end without a word (and kubelets have stopped
    # following at a rotation), so it is asked anew; ever more rarely while there is indeed nothing.
    quiet_s: float = 30.0
    longest_quiet_s: float = 60.0
    last_words_s: float = 2.0
    """For a request that still follows a container that has ended."""


@dataclass(frozen=True)
class Timing:
    """While somebody looks, or a job needs its record."""

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
    figures_s: float = 5.0
    """How often a reason with a length of time in it is read again though nothing changed."""
    young_s: float = 120.0
    """An object that is younger may belong to a job that is being created, and is no orphan."""
    recording: RecordingTiming = field(default_factory=RecordingTiming)
    watch: Times = field(default_factory=Times)
    requests: Limits = field(default_factory=Limits)
