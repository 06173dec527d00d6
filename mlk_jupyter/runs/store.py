"""Where runs are kept: which tracking URI counts, and the SQLite store of this machine."""

from __future__ import annotations

import asyncio
import fcntl
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from ..errors import MlkError
from ..waiting import within

# MLflow stores new experiments' artifacts in ./mlruns of whichever process comes first, unless this is set. It is
# what `mlflow server` itself hands to its workers; without it artifacts merely land there again.
ARTIFACT_ROOT_VARIABLE = "_MLFLOW_SERVER_ARTIFACT_ROOT"

_PREPARE_LIMIT_S = 120.0
# A mere folder called mlflow has a spec too, but no origin.
_HAS_MLFLOW = (
    "import importlib.util, sys; spec = importlib.util.find_spec('mlflow'); sys.exit(not (spec and spec.origin))"
)
# `-c` puts the current folder on the search path: the files that somebody works among must not be imported.
_NEUTRAL = "/"
_PREPARE = (
    "import sys; from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore; SqlAlchemyStore(*sys.argv[1:])"
)


class StoreNotPrepared(MlkError):
    """The local MLflow store could not be created."""

    code, title, status = "mlflow_store_not_prepared", "The MLflow store could not be created", 500


def tracking_uri(data_dir: Path, base: Mapping[str, str] | None = None) -> str:
    """MLFLOW_TRACKING_URI, else a SQLite file in `data_dir`. A relative SQLite path counts from this folder."""
    chosen = (os.environ if base is None else base).get("MLFLOW_TRACKING_URI", "").strip()
    if not chosen:
        return f"sqlite:///{data_dir.absolute() / 'mlflow.db'}"
    path = sqlite_path(chosen)
    return chosen if path is None else f"sqlite:///{path.absolute()}"


def artifact_root(data_dir: Path) -> Path:
    """Where files logged to the SQLite store of `data_dir` are kept."""
    return data_dir.absolute() / "mlartifacts"


def is_http(uri: str) -> bool:
    """Whether a tracking server speaks REST there; everything else is MLflow's own business (databases, files)."""
    return uri.lower().startswith(("http://", "https://"))


def sqlite_path(uri: str) -> Path | None:
    """The file of a SQLite tracking URI; None for every other URI, and for one in memory."""
    prefix, path = uri[:10], uri[10:].partition("?")[0]
    if prefix != "sqlite:///" or not path or path == ":memory:":
        return None
    return Path(path)


def without_credentials(uri: str) -> str:
    """The URI as it may be shown: no user, no password, no query (databases take passwords there), no fragment."""
    try:
        parts = urlsplit(uri)
    except ValueError:
        return uri.partition("://")[0] + "://"
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", "")) if parts.netloc else uri


async def has_mlflow(python: str = sys.executable) -> bool | None:
    """Whether MLflow is installed in an interpreter, without importing it; None when it does not answer."""
    try:
        process = await asyncio.create_subprocess_exec(
            python,
            "-c",
            _HAS_MLFLOW,
            cwd=_NEUTRAL,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    except OSError:
        return None
    try:
        code = await within(20, process.wait())
    except asyncio.TimeoutError:
        return None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return {0: True, 1: False}.get(code)


def needs_preparing(uri: str) -> bool:
    """Whether the first job would have to create a SQLite store before it can log."""
    path = sqlite_path(uri)
    return path is not None and not path.exists()


async def prepare(uri: str, artifacts: Path, python: str = sys.executable) -> None:
    """Creates the SQLite store if it is not there yet; of several callers at once one creates, the others wait.

    It is made beside its place and moved there whole, so that nobody, not even after a kill in the middle of MLflow's
    migrations, ever finds half a store. Takes about 4 s of CPU, nearly all of it MLflow's import.

    Args:
        artifacts: folder for logged files.
        python:    an interpreter that has MLflow.
    Raises: StoreNotPrepared.
    """
    path = sqlite_path(uri)
    if path is None or path.exists():
        return
    try:
        for private in (path.parent, artifacts):
            private.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = await _locked(path.with_name(f".{path.name}.lock"))
    except OSError as error:
        raise StoreNotPrepared(f"{path}: {error.strerror or error}.", hint=_HINT) from error
    try:
        if not path.exists():
            with tempfile.TemporaryDirectory(dir=path.parent, prefix=".mlflow-new-") as folder:
                made = Path(folder) / path.name
                await _create(made, artifacts, python)
                made.chmod(0o600)  # its journals follow it
                _move(made, path)
    except OSError as error:
        raise StoreNotPrepared(f"{path}: {error.strerror or error}.", hint=_HINT) from error
    finally:
        os.close(lock)


_HINT = "Free some space or choose another folder with MLK_DATA_DIR, or switch MLflow off for this job."


def _move(made: Path, path: Path) -> None:
    """Puts the store in its place, unless a rank that did not wait has made one there."""
    try:
        path.hardlink_to(made)
    except FileExistsError:
        return
    except OSError:  # a file system without links
        made.replace(path)


async def _locked(path: Path) -> int:
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:  # polled: a thread that waits in flock could not be cancelled
                await asyncio.sleep(0.1)
    except BaseException:
        os.close(handle)
        raise
    return handle


def _creating(path: Path, artifacts: Path, python: str) -> list[str]:
    """The command that creates a store, whichever folder it is started in."""
    return [python, "-c", _PREPARE, f"sqlite:///{path.absolute()}", str(artifacts.absolute())]


async def _create(path: Path, artifacts: Path, python: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *_creating(path, artifacts, python),
        cwd=_NEUTRAL,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={**os.environ, "GIT_PYTHON_REFRESH": "quiet", "MLFLOW_DISABLE_TELEMETRY": "true"},
    )
    try:
        _, said = await within(_PREPARE_LIMIT_S, process.communicate())
    except asyncio.TimeoutError as error:
        raise StoreNotPrepared(f"MLflow did not create it within {_PREPARE_LIMIT_S:.0f} s.", hint=_HINT) from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        lines = said.decode(errors="replace").strip().splitlines()
        raise StoreNotPrepared(f"MLflow said: {(lines or ['nothing'])[-1][:256]}", hint=_HINT)
