"""The server of the browser tests: a folder of its own for everything, removed at the end.

Its tests need no password, so it listens on this machine only, on the port of MLK_UI_PORT.
"""

import atexit
import json
import os
import shutil
import tempfile
from pathlib import Path

place = Path(tempfile.mkdtemp(prefix="mlk-ui-tests-"))
atexit.register(shutil.rmtree, place, ignore_errors=True)
(place / "root").mkdir()
quiet = place / "settings/@jupyterlab/apputils-extension/notification.jupyterlab-settings"
quiet.parent.mkdir(parents=True)
quiet.write_text(json.dumps({"fetchNews": "false", "checkForUpdates": False}))  # the news cover what is tested

os.environ["MLK_DATA_DIR"] = str(place / "data")
os.environ["IPYTHONDIR"] = str(place / "ipython")
os.environ.pop("MLFLOW_TRACKING_URI", None)
# The cluster of the tests, or none: never the one that a person uses.
os.environ["KUBECONFIG"] = os.environ.get("MLK_UI_KUBECONFIG") or str(place / "no-kubeconfig")

c = get_config()  # noqa: F821  (Jupyter gives it to configuration files)
c.ServerApp.ip = "127.0.0.1"
c.ServerApp.port = int(os.environ["MLK_UI_PORT"])
c.ServerApp.port_retries = 0
c.ServerApp.open_browser = False
c.ServerApp.allow_root = True
c.ServerApp.root_dir = str(place / "root")
c.ServerApp.disable_check_xsrf = True
c.IdentityProvider.token = ""
c.PasswordIdentityProvider.hashed_password = ""
c.LabApp.expose_app_in_browser = True
c.LabApp.workspaces_dir = str(place / "workspaces")
c.LabApp.user_settings_dir = str(place / "settings")
c.NotebookNotary.db_file = ":memory:"
c.NotebookNotary.secret_file = str(place / "notebook_secret")
c.Application.log_level = "CRITICAL"  # tests take servers and files away
