"""The MLflow run of a job, read from the tracking server that this server was configured with, and from no other."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from ..errors import MlkError
from ..model import JobStatus, RunRef
from ..model.api import MetricList, MetricSeries, RunView
from ..runs.client import TrackingServer
from ..runs.credentials import Credentials
from ..runs.local_server import LocalServer
from ..runs.store import artifact_root, is_http, sqlite_path, tracking_uri, without_credentials

_MOST_CURVES = 100  # curves asked for one after the other: more is for MLflow's own pages


class NoRun(MlkError):
    """The job has no run, or none yet."""

    code, title, status = "no_run", "No MLflow run", 404


class Tracking:
    """Reads runs. Holds nothing until the first read of this machine's own store, which starts its MLflow server."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._uri = tracking_uri(data_dir)
        self._local: LocalServer | None = None

    async def view(self, job: JobStatus, *, opens_local: bool) -> RunView:
        """The run of a job.

        A run that the notebook recorded elsewhere is told from the job's own record: its address came out of the job,
        and this server calls no address that a job gives it.

        Args:   opens_local: whether to tell the way into the MLflow server of this machine's own store: who asks may
                    change what is there.
        Raises: NoRun; what the tracking server's client raises; TrackingStarting, a few seconds long.
        """
        ref, run_id = _run_of(job)
        async with self._server(ref) as server:
            if server is None:
                return RunView(run_id=run_id, run_name=ref.run_name, experiment=ref.experiment)
            view, url = await _read(server, ref, run_id)
            if self._local is not None:
                shown = self._local.browser_url(server, url) if opens_local else None
                return view.model_copy(update={"url": shown})
            return view.model_copy(update={"url": url})

    async def curves(self, job: JobStatus) -> MetricList:
        """The metrics of a job's run, by name; none of a run that was recorded elsewhere.

        Raises: as `view`.
        """
        ref, run_id = _run_of(job)
        series: list[MetricSeries] = []
        async with self._server(ref) as server:
            if server is not None:
                for name in sorted((await server.run(run_id)).metrics)[:_MOST_CURVES]:
                    series.append(MetricSeries(name=name, points=await server.metric_history(run_id, name)))
        return MetricList(source="mlflow", series=series)

    @contextlib.asynccontextmanager
    async def _server(self, ref: RunRef) -> AsyncIterator[TrackingServer | None]:
        """The server that has the run, or None when this server may not or cannot ask it."""
        elsewhere = ref.tracking_uri is not None and without_credentials(ref.tracking_uri) != without_credentials(
            self._uri
        )
        if not elsewhere and is_http(self._uri):
            async with TrackingServer(Credentials.of(self._uri)) as server:
                yield server
        elif elsewhere or sqlite_path(self._uri) is None:
            yield None
        else:
            if self._local is None:
                log = self._data_dir / "mlflow-server.log"
                self._local = LocalServer(self._uri, artifact_root(self._data_dir), log=log)
            yield await self._local.now()

    async def close(self) -> None:
        """Stops the MLflow server if one was started."""
        if self._local is not None:
            await self._local.stop()


def _run_of(job: JobStatus) -> tuple[RunRef, str]:
    """Raises: NoRun."""
    ref = job.run
    if ref is None or ref.run_id is None:
        raise NoRun(
            (ref and ref.text) or "The notebook has opened no MLflow run so far.",
            hint="Runs appear when the notebook logs its first value, or at the end of the job.",
        )
    return ref, ref.run_id


async def _read(server: TrackingServer, ref: RunRef, run_id: str) -> tuple[RunView, str]:
    run = await server.run(run_id)
    experiment = ref.experiment or (await server.experiment(run.experiment_id)).name
    view = RunView(
        run_id=run.run_id,
        run_name=run.run_name,
        experiment=experiment,
        status=run.status,
        params=run.params,
        metrics=run.metrics,
    )
    return view, server.run_url(run)
