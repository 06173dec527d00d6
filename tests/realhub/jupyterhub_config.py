"""A JupyterHub for one test, without a proxy of Node: its servers are asked at their own address."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from jupyterhub.proxy import Proxy
from jupyterhub.spawner import SimpleLocalProcessSpawner

HERE = Path(os.environ["TEST_FOLDER"])
c = get_config()  # type: ignore[name-defined]  # noqa: F821


class Routes(Proxy):
    """Keeps the routes in a file instead of routing."""

    should_start = False
    routes: dict[str, Any] = {}  # noqa: RUF012

    async def add_route(self, routespec: str, target: str, data: dict[str, Any]) -> None:
        self.routes[routespec] = {"routespec": routespec, "target": target, "data": data}
        self._write()

    async def delete_route(self, routespec: str) -> None:
        self.routes.pop(routespec, None)
        self._write()

    async def get_all_routes(self) -> dict[str, Any]:
        return dict(self.routes)

    def _write(self) -> None:
        (HERE / "routes.json").write_text(json.dumps({spec: route["target"] for spec, route in self.routes.items()}))


class Profiles(SimpleLocalProcessSpawner):
    """Servers with an environment by the profile that was chosen, as KubeSpawner's `profile_list` gives it."""

    def get_env(self) -> dict[str, str]:
        chosen = json.loads((HERE / "profiles.json").read_text())[self.user_options.get("profile", "cpu")]
        return {**super().get_env(), **chosen}


c.JupyterHub.authenticator_class = "dummy"
c.Authenticator.allow_all = True
c.JupyterHub.proxy_class = Routes
c.JupyterHub.bind_url = os.environ["TEST_BIND_URL"]
c.JupyterHub.hub_bind_url = os.environ["TEST_HUB_URL"]
c.JupyterHub.db_url = f"sqlite:///{HERE / 'hub.sqlite'}"
c.JupyterHub.cookie_secret_file = str(HERE / "cookie_secret")
c.JupyterHub.spawner_class = Profiles
c.JupyterHub.last_activity_interval = 5
c.Spawner.cmd = [sys.executable, str(Path(__file__).parent / "singleuser.py")]
c.Spawner.args = ["--allow-root", "--ServerApp.jpserver_extensions={'mlk_jupyter': True}"]
c.Spawner.env_keep = ["PATH", "PYTHONPATH", "LANG"]
c.Spawner.poll_interval = 2
c.Spawner.server_token_scopes = lambda spawner: (
    ["users:activity!user", "access:servers!server"]
    + (["delete:servers!server", "read:servers!server"] if spawner.user_options.get("profile") == "gpu" else [])
)
c.SimpleLocalProcessSpawner.home_dir_template = str(HERE / "homes" / "{username}")
c.JupyterHub.services = [{"name": "test", "api_token": os.environ["TEST_TOKEN"]}]
c.JupyterHub.load_roles = [
    {
        "name": "test",
        "scopes": ["admin:users", "admin:servers", "access:servers", "read:users:activity", "read:hub"],
        "services": ["test"],
    }
]
