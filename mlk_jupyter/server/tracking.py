"""The MLflow run of a job, read from the tracking server that this server was configured with, and from no other."""

from __future__ import annotations

from pathlib import Path

from ..errors import MlkError
from ..model import JobStatus, RunRef
from ..model.api import RunView
from ..runs.client import TrackingServer
from ..runs.credentials import Credentials
from ..runs.local_server import LocalServer
from ..runs.store import artifact_root, is_http, sqlite_path, tracking_uri, without_credentials


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

        Args:   opens_local: whether to tell the way into the MLflow server of this machine's own store: the browser
                    runs here, so that it reaches 127.0.0.1, and its user may change what is there.
        Raises: NoRun; what the tracking server's client raises; TrackingStarting, a few seconds long.
        """
        ref = job.run
        if ref is None or ref.run_id is None:
            raise NoRun(
                (ref and ref.text) or "The notebook has opened no MLflow run so far.",
                hint="Runs appear when the notebook logs its first value, or at the end of the job.",
            )
        if ref.tracking_uri is not None and without_credentials(ref.tracking_uri) != without_credentials(self._uri):
            return _recorded(ref, ref.run_id)
        if is_http(self._uri):
            async with TrackingServer(Credentials.of(self._uri)) as server:
                view, url = await _read(server, ref, ref.run_id)
                return view.model_copy(update={"url": url})
        if sqlite_path(self._uri) is None:
            return _recorded(ref, ref.run_id)
        if self._local is None:
            log = self._data_dir / "mlflow-server.log"
            self._local = LocalServer(self._uri, artifact_root(self._data_dir), log=log)
        server = await self._local.now()
        view, url = await _read(server, ref, ref.run_id)
        shown = self._local.browser_url(server, url) if opens_local else None
        return view.model_copy(update={"url": shown})

    async def close(self) -> None:
        """Stops the MLflow server if one was started."""
        if self._local is not None:
            await self._local.stop()


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


def _recorded(ref: RunRef, run_id: str) -> RunView:
    return RunView(run_id=run_id, run_name=ref.run_name, experiment=ref.experiment)
