"""What a person has IPython do at the start of every kernel: configuration, extensions, startup files."""

from __future__ import annotations

import sys
import tempfile
import warnings

from .streams import flush_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

    # IPython's own types are partial, and differ from version to version.
    BaseIPythonApplication: Any
    InteractiveShellApp: Any
    ProfileDir: Any
    ProfileDirError: Any
else:
    from IPython.core.application import BaseIPythonApplication
    from IPython.core.profiledir import ProfileDir, ProfileDirError
    from IPython.core.shellapp import InteractiveShellApp

_SAID = "A startup file, extension or line of IPython's configuration failed: the log says which. The job goes on."


class IPKernelApp(BaseIPythonApplication, InteractiveShellApp):  # type: ignore[misc]
    """Reads the configuration that a kernel reads, under the same names, and runs what it asks for."""

    name = "ipython-kernel"  # so are its configuration files called

    def init_crash_handler(self) -> None:
        """What fails is shown and the job goes on."""

    def init_profile_dir(self) -> None:
        """The person's own profile, made where there is none yet; where it cannot be, an empty one for this process."""
        create = ProfileDir.create_profile_dir_by_name
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of a home folder that is not there or cannot be written to
                folder = self.ipython_dir
            self.profile_dir = create(folder, self.profile, self.config)
        except (OSError, ProfileDirError):
            self._folder = tempfile.TemporaryDirectory(prefix="ipython-")
            self.profile_dir = create(self._folder.name, self.profile, self.config)
        self.config_file_paths.append(self.profile_dir.location)

    def init_shell(self) -> None:
        """The shell is made by who made this."""


def configured(notice: Callable[[str], None]) -> IPKernelApp:
    """The application with its configuration read. `notice`: told where that failed."""
    app = IPKernelApp()
    try:
        app.initialize([])
    except (Exception, SystemExit):  # traitlets leaves by SystemExit where a value is of the wrong type
        app.log.exception("IPython's configuration could not be read")
        notice(_SAID)
    return app


def start(app: IPKernelApp, shell: Any, notice: Callable[[str], None]) -> None:
    """Runs what the configuration asks for, and the startup files. What fails is in the log, and the job goes on."""
    app.shell = shell
    shell.configurables.append(app)
    try:
        app.init_path()
        app.init_gui_pylab()
        app.init_extensions()
        app.init_code()
    except SystemExit:
        print("A startup file asked for the end of the process: the job goes on.", file=sys.stderr)
    flush_text()
    if shell.failed_at_start:
        notice(_SAID)
