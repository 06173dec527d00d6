"""Values that come back from a job into the namespace of the kernel."""

from __future__ import annotations

import sys
import threading
from collections.abc import MutableMapping, Sequence
from typing import Any

from ..client import Job, ValuesMissing
from ..errors import MlkError
from ..model import Phase


class Pull:
    """What one job brings back, once."""

    def __init__(self, job: Job, names: Sequence[str], namespace: MutableMapping[str, Any]) -> None:
        self._job = job
        self._names = tuple(names)
        self._namespace = namespace

    def at_end(self) -> None:
        """Brings them when the job has succeeded, whoever is busy then; whoever waits for the job finds them there."""
        if self._names:
            self._job.when_over(self._quietly)
            threading.Thread(target=self._awaited, name=f"pull from {self._job.id}", daemon=True).start()

    def now(self) -> None:
        """Brings them from a job that has succeeded.

        Raises: ValuesMissing for those that could not be sent or read; the others are there then.
        """
        if not self._names:
            return
        try:
            try:
                self._namespace.update(self._job.values())
            except ValuesMissing as missing:
                self._namespace.update(missing.values)
                raise
        except ValuesMissing as missing:
            self._namespace.update(missing.values)
            raise

    def _awaited(self) -> None:
        try:
            self._job.wait()
        except MlkError as error:
            _say(self._job, error)

    def _quietly(self) -> None:
        if self._job.summary.phase is not Phase.SUCCEEDED:
            return  # whoever asks for the result is told why
        try:
            self.now()
        except MlkError as error:
            _say(self._job, error)


def _say(job: Job, error: MlkError) -> None:
    print(f"{job.id}: {error.detail} {error.hint}", file=sys.stderr)
