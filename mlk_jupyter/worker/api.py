"""What a notebook may call: `from mlk_jupyter import progress, rank, world_size, checkpoint_dir, log_metric, result`.

They work also in processes that a notebook starts. Outside of a job nothing is shown, and folders are local.
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import nullcontext

from .reach import parents_pipe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Optional

    from .values import ValueProblem
    from .wire import Sender

RESULT_LIMIT = 64 * 1024  # bytes of JSON

_sender: Optional[Sender] = None
_sent = 0  # bytes of values sent so far


def connect(sender: Sender) -> None:
    """The calls below speak through this from now on."""
    global _sender
    _sender = sender


def rank() -> int:
    """This process' number in the job, from 0. 0 outside of a job."""
    return int(os.environ.get("RANK") or 0)


def world_size() -> int:
    """How many ranks the job has. 1 outside of a job."""
    return int(os.environ.get("WORLD_SIZE") or 1)


def checkpoint_dir() -> str:
    """A folder that outlives the process, the same for all ranks; made when it is not there.

    It is `MLK_CHECKPOINT_DIR`, else `checkpoints` in the working folder.
    """
    folder = os.path.abspath(os.environ.get("MLK_CHECKPOINT_DIR") or "checkpoints")
    os.makedirs(folder, exist_ok=True)
    return folder


def remote(function: Any = None, /, **options: Any) -> Any:
    """`mlk_jupyter.remote` inside of a job: the function as it is."""
    return (lambda decorated: decorated) if function is None else function


def keep(reason: str = "", hours: Optional[float] = None) -> nullcontext[None]:
    """`mlk_jupyter.keep` inside of a job, which nobody stops for being idle."""
    return nullcontext()


def progress(fraction: Optional[float] = None, text: Optional[str] = None) -> None:
    """How far the job is: a share from 0 to 1 (None: not known) and a few words. The latest one is shown.

    Of a share outside of 0 to 1 it warns, and shows the nearest: training goes on.
    """
    if fraction is not None:
        fraction = float(fraction)
        if not 0 <= fraction <= 1:
            import warnings

            text = f"progress() takes a share from 0 to 1, not {fraction:g}: divide by the total"
            warnings.warn(text, stacklevel=2)
            fraction = None if fraction != fraction else min(1.0, max(0.0, fraction))
    _tell("progress", fraction=fraction, text=None if text is None else str(text)[:500])


def log_metric(name: str, value: float, step: Optional[int] = None) -> None:
    """Shows a number in the job's metrics, and logs it to MLflow where the notebook has a run open."""
    number = float(value)
    mlflow: Any = sys.modules.get("mlflow")
    if mlflow is not None and mlflow.active_run() is not None:
        mlflow.log_metric(name, number, step=step)
        if rank() == 0 and _mlflow_is_watched():  # what other ranks log there goes nowhere
            return
    _tell("metric", name=str(name), value=number, step=None if step is None else int(step), run_id=None)


def objective_metric(name: str) -> None:
    """Names the metric that the job is judged by: lists and lines of progress show it first, whoever logs it.

    Where none is named, a loss, accuracy, reward or `eval_` metric goes first.
    """
    _tell("objective", name=str(name))


def result(value: Any) -> None:
    """What the job gives back to whoever submitted it: a JSON value of at most 64 KiB. The last one counts.

    Raises: TypeError or ValueError when it is not JSON or too large.
    """
    body = json.dumps(value, allow_nan=False)
    if len(body) > RESULT_LIMIT:
        raise ValueError(f"A result has at most {RESULT_LIMIT:,} bytes as JSON, this one {len(body):,}: save a file")
    _tell("result", value=json.loads(body))


def send_value(name: str, value: Any, *, key: Optional[bytes] = None) -> None:
    """Sends a variable back to whoever submitted the job; `Job.values()` holds the last one of each name.

    All values of a job have at most `values.PULL_LIMIT` bytes. Only rank 0 sends; in others, and outside of a job,
    nothing happens. `key`: the job's, to sign what has to be pickled; without it nothing is.

    Raises: ValueProblem when the value has no exact form, is too large, or must be pickled and may not be.
    """
    global _sent
    if _sender is None or rank() != 0:
        return
    from . import values

    left = values.PULL_LIMIT - _sent
    encoded = values.encode(value, pickle=key is not None, key=key, name=name, limit_bytes=left)
    _sent += len(encoded.data)
    _sender.send("value", **values.frame_of(name, encoded))


def refuse_value(name: str, problem: ValueProblem) -> None:
    """Says instead of a value why it does not come."""
    if _sender is not None and rank() == 0:
        why = f"{problem.why} {problem.hint}".strip()
        _sender.send("value", name=name, encoding=None, data=None, why=why)
        _sender.send("notice", text=f"{problem.name} does not come back: {why}")


def _tell(kind: str, **fields: Any) -> None:
    """To the keeper, also from a process that the notebook started; outside of a job to nobody."""
    sender = _sender or parents_pipe()
    if sender is not None:
        sender.send(kind, **fields)


def _mlflow_is_watched() -> bool:
    hook: Any = sys.modules.get(__package__ + ".mlflow_hook")
    return hook is not None and bool(hook.watching())
