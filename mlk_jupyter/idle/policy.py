"""How long a kernel may do nothing, and what happens then: defaults, the environment, and who may change what. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

from ..errors import MlkError
from ..figures import duration
from ..record.fields import clean_all
from . import values

MINUTE, HOUR = 60.0, 3600.0


@dataclass(frozen=True, slots=True)
class Policy:
    """Of one kernel, or of a server before anything of a kernel is known. Lengths of time in seconds; 0: no limit."""

    mode: Literal["off", "shadow", "enforce"] = "shadow"
    """`shadow` watches and records what it would have stopped."""
    ttl_s: float = 4 * HOUR
    """For a kernel without a GPU, and for one whose GPU's use is unknown."""
    gpu_ttl_s: float = 2 * HOUR
    """For one that holds a GPU and does not use it."""
    busy_silent_ttl_s: float = 24 * HOUR
    """For a cell that neither computes nor says anything."""
    input_ttl_s: float = 8 * HOUR
    """For a cell that waits in `input()`."""
    max_age_s: float = 0.0
    """For any kernel, counted from its start, also one that works."""
    server_ttl_s: float = 0.0
    """For a server without kernels whose terminals do nothing."""
    warn_s: float = 5 * MINUTE
    """How long before its end a person is told."""
    lease_max_s: float = 24 * HOUR
    """Longest single lease."""
    lease_total_s: float = 72 * HOUR
    """All leases of one kernel together."""
    cpu_pct: float = 2.0
    """From which percentage of one core on a kernel counts as working."""
    gpu_pct: float = 1.0
    """From which percentage on a GPU does."""
    io_bytes: float = 64 * 1024.0
    """From how many bytes a second on a kernel counts as working: a download needs next to no CPU."""
    checkpoint: Literal["off", "list"] = "list"
    """Whether names and sizes of what is in memory are recorded before a stop. No value is."""
    audit_log: bool = False
    """Whether each decision goes to the server's stdout, too, as a line of JSON (`MLK_IDLE_AUDIT_LOG`)."""
    webhook: str = ""
    """Where warnings and stops are posted, as JSON."""
    profile: str = ""
    """JupyterHub profile of this server, for the figures."""
    price_per_hour: float | None = None
    """Of the whole server, in `currency`; None: unknown."""
    currency: str = "USD"


@dataclass(frozen=True, slots=True)
class Ceilings:
    """The longest that kernelspecs, notebooks and people may make each limit. Seconds; 0: as long as they like.

    `MLK_IDLE_TTL_MAX` and so on; where an administrator gave a limit but no ceiling, the limit is the ceiling. What
    nobody set binds nobody: the built-in lengths are no ceilings.
    """

    ttl_s: float = 0.0
    gpu_ttl_s: float = 0.0
    busy_silent_ttl_s: float = 0.0
    input_ttl_s: float = 0.0
    max_age_s: float = 0.0
    server_ttl_s: float = 0.0


class BadPolicy(MlkError):
    """A value of the policy for idle kernels cannot be used."""

    code, title, status = "bad_policy", "The policy for idle kernels cannot be used", 400

    def __init__(self, variable: str, why: str, *, hint: str) -> None:
        super().__init__(f"{variable} {why}.", hint=hint)
        self.variable = variable


@dataclass(frozen=True, slots=True)
class Value:
    """One value of a policy, and who may set it."""

    variable: str
    field: str
    read: Callable[[str], Any]
    """From text. Raises: values.Unusable."""
    layers: tuple[str, ...] = ()
    """Of `kernelspec`, `notebook`, `setting`: those which may change it."""

    @property
    def key(self) -> str:
        """Its name in metadata and settings: `ttl`. With `idle_` before it, that of its trait."""
        return self.variable.removeprefix("MLK_IDLE_").removeprefix("MLK_").lower()


_FILES = ("kernelspec", "notebook")
_ALL = (*_FILES, "setting")
_OF_KERNEL = ("MLK_IDLE_TTL", "MLK_IDLE_GPU_TTL", "MLK_IDLE_BUSY_SILENT_TTL", "MLK_IDLE_INPUT_TTL", "MLK_IDLE_MAX_AGE")
VALUES = (
    Value("MLK_IDLE_MODE", "mode", values.choice("off", "shadow", "enforce"), _FILES),
    Value("MLK_IDLE_TTL", "ttl_s", values.length, _ALL),
    Value("MLK_IDLE_GPU_TTL", "gpu_ttl_s", values.length, _ALL),
    Value("MLK_IDLE_BUSY_SILENT_TTL", "busy_silent_ttl_s", values.length, _FILES),
    Value("MLK_IDLE_INPUT_TTL", "input_ttl_s", values.length, _FILES),
    Value("MLK_IDLE_MAX_AGE", "max_age_s", values.length, _FILES),
    Value("MLK_IDLE_SERVER_TTL", "server_ttl_s", values.length),
    Value("MLK_IDLE_WARN", "warn_s", values.length, _ALL),
    Value("MLK_IDLE_LEASE_MAX", "lease_max_s", values.length),
    Value("MLK_IDLE_LEASE_TOTAL", "lease_total_s", values.length),
    Value("MLK_IDLE_CPU_PCT", "cpu_pct", values.number(0, 100_000, example="2")),
    Value("MLK_IDLE_GPU_PCT", "gpu_pct", values.number(0, 100, example="1")),
    Value("MLK_IDLE_IO_BYTES", "io_bytes", values.number(0, 1e12, example="65536")),
    Value("MLK_IDLE_CHECKPOINT", "checkpoint", values.choice("off", "list"), _FILES),
    Value("MLK_IDLE_AUDIT_LOG", "audit_log", values.switch),
    Value("MLK_IDLE_WEBHOOK", "webhook", values.web_address),
    Value("MLK_PROFILE", "profile", values.label),
    Value("MLK_PRICE_PER_HOUR", "price_per_hour", values.price),
    Value("MLK_CURRENCY", "currency", values.currency),
)
"""All of a policy, in the order in which it is shown."""
_BY_KEY = {value.key: value for value in VALUES}
_CEILINGS = {f"{value.variable}_MAX": value.field for value in VALUES if value.field in Ceilings.__dataclass_fields__}
_OF_SERVICE = re.compile(r"\w+?(_SERVICE_HOST|_SERVICE_PORT(_\w+)?|_PORT(_\d+_[A-Z]+(_PROTO|_PORT|_ADDR)?)?)")
"""What Kubernetes gives a pod for each Service of its namespace: one named `mlk-idle-…` is no policy."""
_HARSHNESS = {"off": 0, "shadow": 1, "enforce": 2}


class Configured(NamedTuple):
    """What an administrator set."""

    policy: Policy
    ceilings: Ceilings
    sources: dict[str, str]
    """By variable: where its value comes from, `default`, the variable, its trait, `ceiling` or `fitted`."""


def configured(env: Mapping[str, str], traits: Mapping[str, str] | None = None) -> Configured:
    """The policy of a server. A variable wins over its trait.

    Args:
        env:    the environment; what does not begin with `MLK_IDLE_`, and is no variable of `VALUES`, does not matter.
        traits: by the traits' names (`idle_ttl`) what is set of them, as text.
    Raises: BadPolicy for the first value that cannot be used.
    """
    for problem in _problems(env, traits or {}):
        raise problem
    return _configured(env, traits or {})


def check(env: Mapping[str, str], traits: Mapping[str, str] | None = None) -> list[str]:
    """All that is wrong with a policy, a sentence each; empty: it can be used."""
    return [f"{problem.detail} {problem.hint}" for problem in _problems(env, traits or {})]


def as_values(policy: Policy) -> dict[str, Any]:
    """A policy by the names of its variables, as JSON. Of the webhook only its host: the rest of it is a secret."""
    said = {value.variable: getattr(policy, value.field) for value in VALUES}
    said["MLK_IDLE_WEBHOOK"] = values.without_secrets(policy.webhook)
    return {
        name: int(value) if isinstance(value, float) and value.is_integer() else value for name, value in said.items()
    }


def of_metadata(metadata: object) -> object:
    """What a kernelspec's or notebook's metadata says of it, `metadata.mlk.idle`; None where it says nothing."""
    mlk = metadata.get("mlk") if isinstance(metadata, Mapping) else None
    return clean_all(mlk.get("idle")) if isinstance(mlk, Mapping) else None


def resolve(
    base: Policy,
    ceilings: Ceilings,
    *,
    kernelspec: object = None,
    notebook: object = None,
    setting: object = None,
    given: Mapping[str, str] | None = None,
) -> tuple[Policy, dict[str, str]]:
    """The policy of one kernel, and by variable where each value comes from.

    The server's policy, then what the kernelspec says, then the notebook, then the person's setting: each may shorten a
    limit freely and lengthen it up to its ceiling; a mode only becomes milder, and by notebooks only where
    an administrator set none, else a line in a notebook would be a way around all limits. What cannot be used is left
    out: see `ignored`. A warning that is not shorter than a limit which one of them set is shortened to fit it.

    Args:
        kernelspec, notebook: what `of_metadata` gives of them: `{"ttl": "2h"}`.
        setting:              the same of the person's settings.
        given:                sources of the base, as in `Configured`.
    """
    default = Policy()
    sources = {
        value.variable: (given or {}).get(value.variable)
        or ("default" if getattr(base, value.field) == getattr(default, value.field) else value.variable)
        for value in VALUES
    }
    is_mode_set = sources["MLK_IDLE_MODE"] != "default"
    policy, unfitted = base, replace(base, warn_s=default.warn_s)
    if fitted(unfitted) == base:  # nobody chose the warning: with longer limits it is longer, too
        policy, sources["MLK_IDLE_WARN"] = unfitted, "default"
    for layer, said in (("kernelspec", kernelspec), ("notebook", notebook), ("setting", setting)):
        for value, wanted in _readable(layer, said)[0]:
            if value.field == "mode" and (
                _HARSHNESS[wanted] > _HARSHNESS[policy.mode] or (is_mode_set and layer != "kernelspec")
            ):
                continue
            ceiling = getattr(ceilings, value.field, 0.0)
            bounded = _capped(wanted, ceiling) if ceiling else wanted
            sources[value.variable] = layer if bounded == wanted else "ceiling"
            policy = _with(policy, value.field, bounded)
    fits = fitted(policy)
    if fits.warn_s != policy.warn_s:
        sources["MLK_IDLE_WARN"] = "fitted"
    return fits, sources


def ignored(*, kernelspec: object = None, notebook: object = None, setting: object = None) -> list[str]:
    """Why `resolve` left out what it left out, a sentence each."""
    said = (("kernelspec", kernelspec), ("notebook", notebook), ("setting", setting))
    return [sentence for layer, what in said for sentence in _readable(layer, what)[1]]


def fitted(policy: Policy) -> Policy:
    """The same with a warning that is shorter than each of its limits: a quarter of the shortest, where it is not."""
    shortest = _shortest(policy)
    if shortest is None or policy.warn_s < getattr(policy, shortest.field):
        return policy
    return replace(policy, warn_s=getattr(policy, shortest.field) / 4)


def _configured(env: Mapping[str, str], traits: Mapping[str, str]) -> Configured:
    read = {value: value.read(text) for value, _, text in _given(env, traits)}
    sources = {value.variable: "default" for value in VALUES}
    sources |= {value.variable: name for value, name, _ in _given(env, traits)}
    set_ceilings = {field: values.length(env[name]) for name, field in _CEILINGS.items() if name in env}
    chosen = {value.field: what for value, what in read.items()}
    policy = replace(Policy(), **chosen)
    for value in VALUES:
        bounded = _capped(getattr(policy, value.field), set_ceilings.get(value.field, 0.0))
        if value.field in set_ceilings and bounded != getattr(policy, value.field):
            policy = _with(policy, value.field, bounded)
            sources[value.variable] = "ceiling"
    implied = {field: chosen[field] for field in Ceilings.__dataclass_fields__ if field in chosen}
    ceilings = Ceilings(**(implied | set_ceilings))
    if "warn_s" not in chosen:
        fits = fitted(policy)
        sources["MLK_IDLE_WARN"] = "default" if fits == policy else "fitted"
        policy = fits
    return Configured(policy, ceilings, sources)


def _problems(env: Mapping[str, str], traits: Mapping[str, str]) -> Iterator[BadPolicy]:
    known = {value.variable for value in VALUES} | set(_CEILINGS)
    for name in sorted(name for name in env if name.startswith("MLK_IDLE_") and name not in known):
        if _OF_SERVICE.fullmatch(name):
            continue
        yield BadPolicy(name, "is no variable of the policy for idle kernels", hint=_instead(name, known))
    texts = [(name, value.read, text) for value, name, text in _given(env, traits)]
    texts += [(name, values.length, env[name]) for name in _CEILINGS if name in env]
    bad = False
    for name, read, text in texts:
        try:
            read(text)
        except values.Unusable as error:
            bad = True
            yield BadPolicy(name, error.why, hint=f"Write {error.write}.")
    if not bad:
        yield from _too_late(env, traits)


def _too_late(env: Mapping[str, str], traits: Mapping[str, str]) -> Iterator[BadPolicy]:
    """Somebody chose a warning that would come before the kernel does nothing at all."""
    policy, _, sources = _configured(env, traits)
    shortest = _shortest(policy)
    if shortest is None or policy.warn_s < getattr(policy, shortest.field):
        return
    limit, source = duration(getattr(policy, shortest.field)), sources[shortest.variable]
    of = f"{shortest.variable}_MAX" if source == "ceiling" else shortest.variable
    limit_in_words = f"{limit}, its default" if source == "default" else limit
    why = f"is {duration(policy.warn_s)}, which is not shorter than {of} ({limit_in_words})"
    yield BadPolicy(sources["MLK_IDLE_WARN"], why, hint=f"Write less than {limit}, or make {of} longer.")


def _given(env: Mapping[str, str], traits: Mapping[str, str]) -> list[tuple[Value, str, str]]:
    """Each value that somebody set: under which name, and how."""
    found = []
    for value in VALUES:
        trait = f"idle_{value.key}"
        if value.variable in env:
            found.append((value, value.variable, env[value.variable]))
        elif trait in traits:
            found.append((value, f"MlkJupyterApp.{trait}", traits[trait]))
    return found


def _readable(layer: str, said: object) -> tuple[list[tuple[Value, Any]], list[str]]:
    """What a kernelspec, a notebook or a setting may say, read, and why the rest is left out."""
    if said is None:
        return [], []
    if not isinstance(said, Mapping):
        return [], [
            f"The {layer}'s policy for idle kernels is ignored: it is {values.shown(said)}, which is no object."
        ]
    usable, sentences = [], []
    for key, written in said.items():
        value = _BY_KEY.get(key) if isinstance(key, str) else None
        if value is None or layer not in value.layers:
            near = _instead(str(key), {known.key for known in VALUES if layer in known.layers})
            why = "has no such value" if value is None else "is not where this can be set"
            sentences.append(
                f"{values.shown(key)} of the {layer}'s policy for idle kernels is ignored: it {why}. {near}"
            )
        elif written is not None:
            try:
                usable.append((value, value.read(values.as_text(written))))
            except values.Unusable as error:
                ignored = f"{key} of the {layer}'s policy for idle kernels is ignored: it {error.why}."
                sentences.append(f"{ignored} Write {error.write}.")
    return usable, sentences


def _instead(name: str, known: Iterable[str]) -> str:
    import difflib  # only where something is wrong

    near = difflib.get_close_matches(name, sorted(known), n=1)
    return f"Did you mean {near[0]}?" if near else f"There are: {', '.join(sorted(known))}."


def _with(policy: Policy, field: str, value: Any) -> Policy:
    changed: dict[str, Any] = {field: value}
    return replace(policy, **changed)


def _capped(value: float, ceiling: float) -> float:
    """A limit under a ceiling; 0 of either: none."""
    return ceiling if ceiling and (not value or value > ceiling) else value


def _shortest(policy: Policy) -> Value | None:
    """The shortest limit of kernels; None where there is none."""
    limits = [value for value in VALUES if value.variable in _OF_KERNEL and getattr(policy, value.field)]
    return min(limits, key=lambda value: getattr(policy, value.field), default=None)
