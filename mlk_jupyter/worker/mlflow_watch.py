"""Wraps MLflow's tracking client: tells of runs and metrics, and keeps a dead server from hurting the notebook."""

from __future__ import annotations

import functools
import os
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, Optional, Set, Tuple

_PROBE_S = 4.0  # seconds a server has to answer anything at all
_TRUST_S = 60.0  # seconds that the answer is believed
_MOST_TOLD = 10_000  # metrics of which it is known what was told
_PARENT = "mlflow.parentRunId"
_VALUE_LIMIT = 6000  # characters of a parameter's value that MLflow takes

_OPENS = ("get_experiment", "get_experiment_by_name", "search_experiments")
_WRITES = (
    "log_metric", "log_batch", "log_param", "set_tag", "set_terminated", "log_artifact", "log_artifacts", "log_inputs",
    "log_outputs", "update_run", "set_experiment_tag", "delete_tag",
)  # fmt: skip


class Watch:
    """What the wrapped client tells. The first run that is opened is the job's own, later ones go below it.

    Args:
        send:       takes a message's kind and fields.
        parameters: the job's.
        experiment: the one of runs that name none; None where MLFLOW_EXPERIMENT_NAME says it.
    """

    def __init__(
        self, client: Any, send: Callable[..., None], parameters: Dict[str, Any], experiment: Optional[str] = None
    ) -> None:
        self._send = send
        self._parameters = parameters
        self._experiment = experiment
        # Tracking URI and id of the first run. Where a run that is continued by its id lies, is not known.
        continued = os.environ.get("MLFLOW_RUN_ID")
        self._own: Optional[Tuple[Optional[str], str]] = (None, continued) if continued else None
        self._waiting: Dict[str, Any] = {}  # run id -> the client that opened it: parameters are still to be logged
        self._known: Dict[str, Set[str]] = {}  # run id -> names of parameters that the notebook logged itself
        self._told: Dict[Tuple[Any, str], Tuple[int, int]] = {}  # run id, metric -> time in ms and step of its latest
        self._probed: Dict[str, float] = {}  # tracking URI -> when it answered last
        self._down_since: Optional[float] = None
        self._said = False
        self._fallback: Optional[str] = None
        self._inner = threading.local()  # calls of MLflow to itself are told of once
        self._log_batch = client.log_batch
        for name in ("__init__", "create_run", *_OPENS, *_WRITES):
            if not callable(getattr(client, name, None)) and name in ("create_run", "log_metric", "log_batch"):
                raise AttributeError(f"no {name}")
        self._init = client.__init__
        client.__init__ = self._wrap_init(client.__init__)
        client.create_run = self._wrap_create(client.create_run)
        for name in _OPENS:
            if hasattr(client, name):
                setattr(client, name, self._wrap_open(getattr(client, name)))
        if hasattr(client, "create_experiment"):
            client.create_experiment = self._wrap_create_experiment(client.create_experiment)
        for name in _WRITES:
            if hasattr(client, name):
                setattr(client, name, self._wrap_write(name, getattr(client, name)))

    def log_parameters(self) -> None:
        """Logs the job's parameters to the runs that wait for them, less those the notebook logged in other words:
        MLflow never changes a parameter's value, and would refuse the notebook's."""
        for run_id in list(self._waiting):
            client = self._waiting.pop(run_id)
            names = [name for name in self._parameters if name not in self._known.get(run_id, set())]
            if not names:
                continue
            try:
                from mlflow.entities import Param

                params = [Param(name, str(self._parameters[name])[:_VALUE_LIMIT]) for name in names]
                self._guarded(functools.partial(self._log_batch, client, run_id, params=params), client.tracking_uri)
            except Exception as error:
                self._send("notice", text=f"The job's parameters were not logged to MLflow: {_words(error)}")

    def give_up(self, error: BaseException) -> None:
        """Says, once, that values are lost."""
        self._down_since = time.monotonic()
        if not self._said:
            self._said = True
            self._send(
                "notice",
                text="The MLflow server does not answer: the notebook goes on, and what it logs meanwhile is lost "
                f"({_words(error)}).",
            )

    # -- wrapping -----------------------------------------------------------------------------------------------------

    def _wrap_init(self, original: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(original)
        def init(client: Any, tracking_uri: Any, *args: Any, **kwargs: Any) -> None:
            original(client, self._reachable(str(tracking_uri)), *args, **kwargs)

        return init

    def _wrap_open(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def call(client: Any, *args: Any, **kwargs: Any) -> Any:
            client.tracking_uri = self._reachable(client.tracking_uri)
            return original(client, *args, **kwargs)

        return call

    def _wrap_create_experiment(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """Jobs that start together all find the experiment of MLFLOW_EXPERIMENT_NAME missing and all create it; MLflow
        lets the first have it and raises in the others."""
        create = self._wrap_open(original)

        @functools.wraps(original)
        def create_experiment(client: Any, name: Any, *args: Any, **kwargs: Any) -> Any:
            try:
                return create(client, name, *args, **kwargs)
            except Exception as error:
                exists = getattr(error, "error_code", None) == "RESOURCE_ALREADY_EXISTS"
                if not exists or name != self._default_experiment():
                    raise
                found = client.get_experiment_by_name(name)
                if found is None or found.lifecycle_stage != "active":
                    raise
                return found.experiment_id

        return create_experiment

    def _wrap_create(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def create_run(client: Any, experiment_id: Any, *args: Any, **kwargs: Any) -> Any:
            before = client.tracking_uri
            client.tracking_uri = self._reachable(before)
            try:
                if client.tracking_uri != before:
                    experiment_id = self._experiment_here(client)
                args, kwargs = self._below(client, args, kwargs)
                run = original(client, experiment_id, *args, **kwargs)
            except Exception as error:
                if not self._is_down(error, client.tracking_uri):
                    raise
                self._probed.pop(client.tracking_uri, None)
                client.tracking_uri = self._fall_back(client.tracking_uri, error)
                run = original(client, self._experiment_here(client), *args, **kwargs)
            self._own = self._own or (client.tracking_uri, run.info.run_id)
            self._tell_run(client, run)
            return run

        return create_run

    def _below(self, client: Any, args: Any, kwargs: Any) -> Tuple[Any, Any]:
        """The arguments (start_time, tags, run_name) of a run that is to be below the job's own, where it says nothing
        else."""
        if self._own is None or self._own[0] not in (None, client.tracking_uri):
            return args, kwargs
        tags = {_PARENT: self._own[1], **(_argument(args, kwargs, 1, "tags") or {})}
        return ((args[0], tags, *args[2:]), kwargs) if len(args) > 1 else (args, {**kwargs, "tags": tags})

    def _wrap_write(self, name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        tell = getattr(self, "_tell_" + name, None)

        @functools.wraps(original)
        def write(client: Any, *args: Any, **kwargs: Any) -> Any:
            outermost = not getattr(self._inner, "busy", False)
            self._inner.busy = True
            try:
                if outermost and tell is not None:
                    self._quietly(tell, client, args, kwargs)
                return self._guarded(lambda: original(client, *args, **kwargs), client.tracking_uri)
            finally:
                if outermost:
                    self._inner.busy = False

        return write

    def _guarded(self, call: Callable[[], Any], uri: str) -> Any:
        """What the call gives, or None where the server is down: logging is not worth a notebook."""
        if self._down_since is not None and _is_remote(uri):
            if time.monotonic() < self._down_since + _TRUST_S:
                return None
            if not _answers(uri):
                self._down_since = time.monotonic()
                return None
            self._down_since = None
        try:
            return call()
        except Exception as error:
            if not self._is_down(error, uri):
                raise
            self.give_up(error)
            return None

    # -- servers ------------------------------------------------------------------------------------------------------

    def _reachable(self, uri: str) -> str:
        """The same URI, or the fallback's when nothing answers there."""
        if not _is_remote(uri):
            return uri
        if time.monotonic() < self._probed.get(uri, float("-inf")) + _TRUST_S:
            return uri
        if _answers(uri):
            self._probed[uri] = time.monotonic()
            return uri
        return self._fall_back(uri, None)

    def _fall_back(self, uri: str, error: Optional[BaseException]) -> str:
        if self._fallback is None:
            path = os.environ.get("MLK_MLFLOW_FALLBACK")
            if not path:
                import tempfile

                path = os.path.join(tempfile.mkdtemp(prefix="mlk-mlflow-"), "mlflow.db")
            os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
            self._fallback = "sqlite:///" + os.path.abspath(path)
            reason = "" if error is None else f" ({_words(error)})"
            self._send(
                "notice",
                text=f"The MLflow server {_public(uri)} does not answer{reason}: this job's runs go to {path} instead. "
                f"Look at them with `mlflow ui --backend-store-uri {self._fallback}`.",
            )
        mlflow: Any = sys.modules.get("mlflow")
        if mlflow is not None:
            mlflow.set_tracking_uri(self._fallback)
        return self._fallback

    def _default_experiment(self) -> Optional[str]:
        return self._experiment or os.environ.get("MLFLOW_EXPERIMENT_NAME")

    def _experiment_here(self, client: Any) -> str:
        """The job's experiment in the fallback store."""
        name = self._default_experiment() or "Default"
        found = client.get_experiment_by_name(name)
        return str(found.experiment_id if found is not None else client.create_experiment(name))

    @staticmethod
    def _is_down(error: BaseException, uri: str) -> bool:
        """Whether it is the server that fails, not what was asked of it."""
        if not _is_remote(uri):
            return False
        text = f"{type(error).__name__} {error}"
        return any(
            sign in text
            for sign in ("failed with exception", "error code 5", "Max retries", "ConnectionError", "timed out")
        )

    # -- telling ------------------------------------------------------------------------------------------------------

    def _quietly(self, tell: Callable[..., None], client: Any, args: Any, kwargs: Any) -> None:
        try:
            tell(client, args, kwargs)
        except Exception as error:  # another version's arguments: the notebook's call goes on as it would
            self._send("notice", text=f"A value logged to MLflow is not shown live: {_words(error)}")

    def _tell_run(self, client: Any, run: Any) -> None:
        def tell(client: Any, args: Any, kwargs: Any) -> None:
            info = run.info
            try:
                experiment = client.get_experiment(info.experiment_id).name
            except Exception:
                experiment = None
            self._known[info.run_id] = set()
            if _PARENT not in run.data.tags:
                self._waiting[info.run_id] = client
            self._send(
                "run",
                run_id=info.run_id,
                experiment_id=str(info.experiment_id),
                experiment=experiment,
                run_name=info.run_name,
                tracking_uri=_public(client.tracking_uri),
            )

        self._quietly(tell, client, (), {})

    def _tell_log_metric(self, client: Any, args: Any, kwargs: Any) -> None:
        step, run_id = _argument(args, kwargs, 4, "step"), _argument(args, kwargs, 0, "run_id")
        name, value = _argument(args, kwargs, 1, "key"), _argument(args, kwargs, 2, "value")
        self._send(
            "metric", name=str(name), value=float(value), step=None if step is None else int(step), run_id=run_id
        )
        self._is_news((run_id, str(name)), _argument(args, kwargs, 3, "timestamp"), int(step or 0))

    def _tell_log_batch(self, client: Any, args: Any, kwargs: Any) -> None:
        run_id = _argument(args, kwargs, 0, "run_id")
        for metric in _argument(args, kwargs, 1, "metrics") or ():
            name, step = str(metric.key), int(metric.step or 0)
            again = not self._is_news((run_id, name), metric.timestamp, step)
            if not again or getattr(metric, "model_id", None) is None:  # `log_model` logs those of its step once more
                self._send("metric", name=name, value=float(metric.value), step=step, run_id=run_id)
        for param in _argument(args, kwargs, 2, "params") or ():
            self._known.setdefault(run_id, set()).add(str(param.key))

    def _is_news(self, metric: Tuple[Any, str], timestamp: Optional[int], step: int) -> bool:
        """Whether a value is later than what was told of its metric, by MLflow's own time in ms."""
        now = (int(time.time() * 1000) if timestamp is None else int(timestamp), step)
        news = now > self._told.get(metric, (-1, -1))
        if news and (metric in self._told or len(self._told) < _MOST_TOLD):
            self._told[metric] = now
        return news

    def _tell_log_param(self, client: Any, args: Any, kwargs: Any) -> None:
        run_id = _argument(args, kwargs, 0, "run_id")
        self._known.setdefault(run_id, set()).add(str(_argument(args, kwargs, 1, "key")))

    def _tell_set_terminated(self, client: Any, args: Any, kwargs: Any) -> None:
        self.log_parameters()
        run_id = _argument(args, kwargs, 0, "run_id")
        self._send("run_finished", run_id=run_id, status=str(_argument(args, kwargs, 1, "status") or "FINISHED"))


def _argument(args: Any, kwargs: Dict[str, Any], place: int, name: str) -> Any:
    return args[place] if len(args) > place else kwargs.get(name)


def _is_remote(uri: str) -> bool:
    return uri.startswith(("http://", "https://"))


def _answers(uri: str) -> bool:
    """Whether anything answers there, be it a refusal."""
    import ssl

    anyone = ssl.create_default_context()
    anyone.check_hostname, anyone.verify_mode = False, ssl.CERT_NONE  # nothing is sent; MLflow itself checks
    try:
        with urllib.request.urlopen(_public(uri).rstrip("/") + "/health", timeout=_PROBE_S, context=anyone):
            return True
    except urllib.error.HTTPError:
        return True
    except (OSError, ValueError):
        return False


def _public(uri: str) -> str:
    """The URI without the name and password that it may hold."""
    parts = urllib.parse.urlsplit(uri)
    if "@" not in parts.netloc:
        return uri
    return urllib.parse.urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _words(error: BaseException) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 300 else text[:300] + " …"
