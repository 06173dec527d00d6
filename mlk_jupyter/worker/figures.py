"""A matplotlib backend for ranks without IPython: `plt.show()`, and the end of a cell, display the open figures."""

from __future__ import annotations

import io

from matplotlib.backend_bases import FigureManagerBase, _Backend
from matplotlib.backends.backend_agg import FigureCanvasAgg

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def show(*args: Any, **kwargs: Any) -> None:
    """Displays all open figures as PNG, and closes them."""
    import matplotlib.pyplot as plt

    from .plain import publish

    for number in plt.get_fignums():
        figure = plt.figure(number)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", bbox_inches="tight")
        publish({"image/png": buffer.getvalue(), "text/plain": repr(figure)})
    plt.close("all")


@_Backend.export
class _InlineBackend(_Backend):
    FigureCanvas = FigureCanvasAgg
    FigureManager = FigureManagerBase
    mainloop = staticmethod(show)
