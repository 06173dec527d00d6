"""The extension as Jupyter sees it. Starting costs next to nothing: everything else is loaded by the first request."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from jupyter_server._tz import utcnow
from jupyter_server.extension.application import ExtensionApp
from traitlets import Bool, Float, Integer, Unicode

from . import kernel_socket, registry
from .features import Feature
from .idle_traits import IdleTraits
from .services import Services


class MlkJupyterApp(IdleTraits, ExtensionApp):
    """Run notebooks as distributed jobs and watch them."""

    name = "mlk_jupyter"

    default_backend = Unicode(
        "",
        help="Where jobs run that name no place: local, kubernetes or kubernetes:CONTEXT. Empty: MLK_BACKEND, and "
        "without that Kubernetes when a cluster answers and this machine otherwise.",
    ).tag(config=True)
    default_image = Unicode("", help="Image of cluster jobs that name none. Empty: MLK_IMAGE.").tag(config=True)
    submissions_per_minute = Integer(10, min=1, help="Jobs that one user may submit in a minute.").tag(config=True)
    concurrent_preparations = Integer(
        4, min=1, help="Submissions and preflights of one user that are worked on at the same time."
    ).tag(config=True)
    concurrent_requests = Integer(
        64, min=1, help="Requests of one user that are worked on at the same time, whatever they ask for."
    ).tag(config=True)
    followers_per_user = Integer(8, min=1, help="Logs that one user may follow at the same time.").tag(config=True)
    access_check_s = Float(
        45.0,
        min=0.0,
        help="Seconds after which it is asked again whether the user of an open websocket may still use this server. "
        "With JupyterHub each time costs one request to the Hub.",
    ).tag(config=True)
    running_jobs_are_activity = Bool(
        False,
        help="Whether a job that runs on this machine counts as activity, so that neither JupyterHub's culler nor "
        "shutdown_no_activity_timeout stops its server: until it is over, and no longer than its time limit; a job "
        "without one does not count.",
    ).tag(config=True)

    @property
    def features(self) -> Sequence[Feature]:
        """What the server offers."""
        return registry.FEATURES

    @functools.cached_property
    def services(self) -> Services:
        """What the features share."""
        return Services(self)

    def note_activity(self) -> None:
        """Says to whoever stops idle servers that this one is not."""
        assert self.serverapp is not None
        self.serverapp.web_app.settings["last_activity_times"][self.name] = utcnow()

    def kernel_specs(self) -> Any:
        """The manager of kernelspecs of this server: a job's Python is that of the kernel which it would start."""
        assert self.serverapp is not None
        return self.serverapp.kernel_spec_manager

    def initialize_settings(self) -> None:
        """Refuses to start a server whose policy for idle kernels says something else than somebody meant."""
        problems = self.idle_problems()
        for problem in problems:
            self.log.critical(problem)
        if problems:
            self.exit(1)
        kernel_socket.install(self.settings)

    def initialize_handlers(self) -> None:
        self.handlers.extend(registry.handlers())

    async def _start_jupyter_server_extension(self, serverapp: Any) -> None:
        for feature in self.features:
            if feature.start is not None:
                await feature.start(self.services)

    async def stop_extension(self) -> None:
        """Ends what was started. Jobs go on: they do not belong to this server."""
        await self.services.close()
