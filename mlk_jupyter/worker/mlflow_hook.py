"""MLflow in a rank: its runs and metrics become frames, and a tracking server that is down harms no notebook.

The class through which all of MLflow's logging goes is wrapped as soon as the notebook imports it. It is MLflow's own
affair; where another version has it otherwise, the extras are lost and nothing else.
"""

from __future__ import annotations

import os
import sys

from .imports import when_imported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Optional

    from .mlflow_silent import Silence
    from .mlflow_watch import Watch
    from .wire import Sender

_RANK_TAG = "mlk.job.rank"
_MODULE = "mlflow.tracking._tracking_service.client"
_PROVIDERS = "mlflow.tracking.default_experiment.registry"

_watch: Optional[Watch] = None
_silence: Optional[Silence] = None


def install(sender: Sender, rank: int) -> None:
    """To be called before the first cell. Runs, and frames of runs and metrics, come from rank 0 only; with
    MLK_MLFLOW_RANKS=all each rank has runs of its own."""
    if os.environ.get("MLK_MLFLOW") == "off":
        return
    _become(rank)
    if os.environ.get("MLK_MLFLOW") == "frames" and not os.environ.get("MLFLOW_TRACKING_URI"):
        _keep_to_itself()

    def send(kind: str, **fields: Any) -> None:
        if rank == 0 or kind == "notice":
            sender.send(kind, **fields)

    experiment = _take_default_experiment()
    if experiment is not None:
        when_imported(_PROVIDERS, lambda module: _provide(module, experiment))

    def loaded(module: Any) -> None:
        global _watch, _silence
        from .mlflow_watch import Watch

        try:
            _watch = Watch(module.TrackingServiceClient, send, _parameters() if rank == 0 else {}, experiment)
            if rank != 0 and os.environ.get("MLK_MLFLOW_RANKS") != "all":
                from .mlflow_silent import Silence

                _silence = Silence(module.TrackingServiceClient)
        except (AttributeError, TypeError) as error:
            send("notice", text=f"This version of MLflow is not known here: metrics are not shown live ({error}).")

    when_imported(_MODULE, loaded)


def _become(rank: int) -> None:
    """All pods of a job have the same variables, those of rank 0; what differs from rank to rank is told here."""
    import json

    try:
        tags = json.loads(os.environ.get("MLFLOW_RUN_CONTEXT") or "{}")
    except ValueError:
        return
    if isinstance(tags, dict) and tags.get(_RANK_TAG, str(rank)) != str(rank):
        os.environ["MLFLOW_RUN_CONTEXT"] = json.dumps({**tags, _RANK_TAG: str(rank)}, sort_keys=True)
        os.environ.pop("MLFLOW_RUN_ID", None)  # the run of rank 0, which alone may end it


def _take_default_experiment() -> Optional[str]:
    """The experiment for runs of which the notebook does not say to which they belong; None where a person named one.

    Libraries that take an experiment's name prefer the variable's, as a person's word. So this process does not see it;
    the processes that it starts do.
    """
    name = os.environ.get("MLFLOW_EXPERIMENT_NAME")
    if not name or os.environ.pop("MLK_MLFLOW_EXPERIMENT", None) != name:
        return None
    del os.environ["MLFLOW_EXPERIMENT_NAME"]
    os.putenv("MLFLOW_EXPERIMENT_NAME", name)
    return name


def _provide(module: Any, experiment: str) -> None:
    """Tells MLflow the experiment of runs without one."""

    class Job:
        """What MLflow calls a default experiment provider."""

        def in_context(self) -> bool:
            return True

        def get_experiment_id(self) -> str:
            from mlflow.tracking import MlflowClient

            client = MlflowClient()
            found = client.get_experiment_by_name(experiment)
            return str(found.experiment_id if found is not None else client.create_experiment(experiment))

    module._default_experiment_provider_registry.register(Job)


def _keep_to_itself() -> None:
    """No store can be reached from here: the runs go to a folder that nobody reads, and their metrics to the frames.

    Of all stores, files take no time to create; a folder for each rank, as many at once would spoil it.
    """
    import tempfile

    os.environ["MLFLOW_TRACKING_URI"] = "file://" + tempfile.mkdtemp(prefix="mlk-mlflow-")
    os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")  # MLflow 3 advises against them and wants to be told so


def watching() -> bool:
    """Whether what is logged to MLflow is seen here."""
    return _watch is not None


def after_cell() -> None:
    """A cell has ended: what waited for it is logged."""
    if _watch is not None:
        _watch.log_parameters()


def finish(code: int) -> None:
    """Ends the runs that the notebook left open, as its end deserves. Never raises."""
    mlflow: Any = sys.modules.get("mlflow")
    if _watch is None or mlflow is None:
        return
    status = "FINISHED" if code == 0 else "KILLED" if code in (130, 143) else "FAILED"
    try:
        _watch.log_parameters()
        for _ in range(100):  # nested runs, the innermost first
            if mlflow.active_run() is None:
                break
            mlflow.end_run(status)
    except Exception as error:
        _watch.give_up(error)
    if _silence is not None:
        _silence.end()


def _parameters() -> Dict[str, Any]:
    import json

    try:
        parameters = json.loads(os.environ.get("MLK_PARAMETERS") or "{}")
    except ValueError:
        return {}
    return parameters if isinstance(parameters, dict) else {}
