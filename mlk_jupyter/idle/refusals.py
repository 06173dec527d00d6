"""What is asked of idle kernels and cannot be done."""

from __future__ import annotations

from ..errors import MlkError


class NoSuchKernel(MlkError):
    """No kernel of this server bears that id, or it is not watched yet."""

    code, title, status = "kernel_not_found", "No such kernel", 404

    def __init__(self, kernel_id: str) -> None:
        super().__init__(
            f"This server runs no kernel {kernel_id[:64]!r}.", hint="It may have ended. Look at the list of kernels."
        )


class NotOurs(MlkError):
    """A kernel that is only shown here cannot be ended here."""

    code, title, status = "kernel_not_ours", "The kernel is another program's", 409

    def __init__(self, kernel_id: str) -> None:
        super().__init__(
            f"Another program has started kernel {kernel_id[:64]!r}, and alone can end it.",
            hint="Stop it where it was started.",
        )


class BeingStopped(MlkError):
    """It is too late to keep a kernel."""

    code, title, status = "kernel_being_stopped", "The kernel is being stopped", 409

    def __init__(self, kernel_id: str) -> None:
        super().__init__(
            f"Kernel {kernel_id[:64]!r} is being stopped, and cannot be kept any more.",
            hint="Start a new kernel for the notebook.",
        )


class NoSuchNotice(MlkError):
    """No stopped kernel of that id has a notice."""

    code, title, status = "notice_not_found", "There is no such notice", 404

    def __init__(self, kernel_id: str) -> None:
        super().__init__(
            f"Nothing is told of a stopped kernel {kernel_id[:64]!r}.",
            hint="Somebody may have taken the notice away. Look at the list of kernels.",
        )
