"""`@remote`: a function whose calls are jobs."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import Any

from ..errors import BadInput
from .handle import Job
from .submit import check_options, train


def remote(function: Callable[..., Any] | None = None, /, **options: Any) -> Any:
    """Makes a function run as a job each time it is called: `@remote(workers=4, gpus=1)`, or `@remote` alone.

    A call waits for the end of the job, and gives what rank 0's function returned, or raises what it raised.
    `function.submit(…)` with the same arguments gives the `Job` while it runs. Inside of a job a call is a call.

    Args:   options: those of `train()`, but `wait` and `kwargs`.
    Raises: BadInput for an option that is none, and for what is no function.
    """
    if function is not None and not callable(function):
        raise BadInput(
            f"@remote decorates a function, not {type(function).__name__}.",
            hint="Give its options by name: @remote(workers=4, gpus=1).",
        )
    check_options("@remote", options)
    if os.environ.get("MLK_JOB"):  # a process that a job's rank started, in an environment that has this package
        return function or (lambda decorated: decorated)
    if function is None:
        return functools.partial(_decorated, options=options)
    return _decorated(function, options)


def _decorated(function: Callable[..., Any], options: dict[str, Any]) -> Callable[..., Any]:
    def submit(*args: Any, **kwargs: Any) -> Job:
        return train(call, *args, kwargs=kwargs, **options)

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        return submit(*args, **kwargs).result()

    call.submit = submit  # type: ignore[attr-defined]
    call.__mlk_remote__ = True  # type: ignore[attr-defined]
    return call


remote.__module__ = "mlk_jupyter"  # from where a job can import it
