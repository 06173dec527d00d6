"""Opens JupyterLab on the example with the Jobs panel in front, and says where.

python tools/lab.py [--port PORT] [--no-browser]
"""

from __future__ import annotations

import argparse
import getpass
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PAGE = "lab/tree/examples/digits_ddp.ipynb?mlk-panel"
POLL_S = 0.2


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, help="this one or none; default: the first free one from 8888")
    parser.add_argument("--no-browser", action="store_true", help="only say which address to open")
    asked = parser.parse_args()
    began = time.monotonic()
    print("Starting JupyterLab", end="", flush=True)
    with subprocess.Popen(_command(asked), cwd=ROOT, env={**os.environ, "JUPYTER_TOKEN": _token()}) as server:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server, which asks whether it is meant
        signal.signal(signal.SIGTERM, lambda *_: server.terminate())
        while server.poll() is None and not (there := _listening(server.pid)):
            time.sleep(POLL_S)
        if server.poll() is not None:
            print(flush=True)  # it has said why
        else:
            print(f"  {time.monotonic() - began:.0f} s\n\n{_words(there)}\n", flush=True)
    return server.returncode


def _command(asked: argparse.Namespace) -> list[str]:
    options = {"LabApp.default_url": f"/{PAGE}", "Application.log_level": "WARN"}
    if asked.port is not None:
        options |= {"ServerApp.port": asked.port, "ServerApp.port_retries": 0}
    if asked.no_browser:
        options["ServerApp.open_browser"] = False
    if os.getuid() == 0:
        options["ServerApp.allow_root"] = True
    return [sys.executable, "-m", "jupyterlab", *(f"--{name}={value}" for name, value in options.items())]


def _token() -> str:
    """A token that is given is not printed by the server: it would print an address that has two question marks."""
    return os.environ.get("JUPYTER_TOKEN") or secrets.token_hex(24)


def _listening(pid: int) -> dict[str, Any]:
    """What the server wrote down of itself once it listened; empty before."""
    from jupyter_server.serverapp import list_running_servers

    return next((server for server in list_running_servers() if server["pid"] == pid), {})


def _words(server: dict[str, Any]) -> str:
    address = f"{server['url']}{PAGE}" + (f"&token={server['token']}" if server.get("token") else "")
    port = server["port"]
    # SSH tells the address by which this machine was reached; else its own name may do.
    reached = os.environ.get("SSH_CONNECTION", "").split()
    machine = reached[2] if len(reached) == 4 else socket.gethostname()
    return (
        f"The example, with the Jobs panel:\n    {address}\n"
        "From another machine, run this there first and open the same address:\n"
        f"    ssh -L {port}:127.0.0.1:{port} {getpass.getuser()}@{machine}\n"
        "Ctrl-C ends it; jobs go on."
    )


if __name__ == "__main__":
    sys.exit(main())
