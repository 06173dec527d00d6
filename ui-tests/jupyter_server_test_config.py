"""The server of the browser tests: a folder of its own for everything, removed at the end.

Galata takes the security away, so it listens on this machine only, on the port of MLK_UI_PORT.
"""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

from jupyterlab.galata import configure_jupyter_server

place = Path(tempfile.mkdtemp(prefix="mlk-ui-tests-"))
atexit.register(shutil.rmtree, place, ignore_errors=True)
(place / "root").mkdir()

os.environ["JUPYTERLAB_GALATA_ROOT_DIR"] = str(place / "root")
os.environ["MLK_DATA_DIR"] = str(place / "data")
os.environ["IPYTHONDIR"] = str(place / "ipython")
os.environ.pop("MLFLOW_TRACKING_URI", None)
# The cluster of the tests, or none: never the one that a person uses.
os.environ["KUBECONFIG"] = os.environ.get("MLK_UI_KUBECONFIG") or str(place / "no-kubeconfig")

configure_jupyter_server(c)  # noqa: F821  (Jupyter's configuration files are given `c`)

c.ServerApp.ip = "127.0.0.1"  # noqa: F821
c.ServerApp.port = int(os.environ["MLK_UI_PORT"])  # noqa: F821
c.ServerApp.allow_root = True  # noqa: F821
c.LabApp.workspaces_dir = str(place / "workspaces")  # noqa: F821
c.LabApp.user_settings_dir = str(place / "settings")  # noqa: F821
c.NotebookNotary.db_file = ":memory:"  # noqa: F821
c.NotebookNotary.secret_file = str(place / "notebook_secret")  # noqa: F821
c.Application.log_level = "CRITICAL"  # noqa: F821  (galata asks for files that are not there yet)
