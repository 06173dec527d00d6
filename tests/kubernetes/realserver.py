"""A real API server for conformance tests: etcd and kube-apiserver as envtest brings them, or a cluster at hand."""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from apiclient import Api, of_kubeconfig
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

TOKEN = "conformance"


def assets() -> Path | None:
    """The folder with `etcd` and `kube-apiserver`, where there is one."""
    folder = Path(os.environ.get("KUBEBUILDER_ASSETS") or "/usr/local/kubebuilder/bin")
    return folder if (folder / "kube-apiserver").is_file() and (folder / "etcd").is_file() else None


def at_hand() -> bool:
    """Whether a real API server can be asked."""
    return bool(os.environ.get("MLK_TEST_KUBECONFIG")) or assets() is not None


@contextmanager
def real_api() -> Iterator[Api]:
    """An administrator at a real API server."""
    if given := os.environ.get("MLK_TEST_KUBECONFIG"):
        api = of_kubeconfig(Path(given))
        try:
            yield api
        finally:
            api.close()
        return
    folder = assets()
    assert folder is not None
    with tempfile.TemporaryDirectory(prefix="mlk-apiserver-") as made, _served(folder, Path(made)) as api:
        yield api


@contextmanager
def _served(binaries: Path, folder: Path) -> Iterator[Api]:
    etcd_port, peer_port, port = _free_ports(3)
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    (folder / "sa.key").write_bytes(key.private_bytes(serialization.Encoding.PEM, *private))
    (folder / "tokens.csv").write_text(f'{TOKEN},admin,admin,"system:masters"\n', encoding="utf-8")
    etcd_url = f"http://127.0.0.1:{etcd_port}"
    etcd = [
        str(binaries / "etcd"), f"--data-dir={folder / 'etcd'}", f"--listen-client-urls={etcd_url}",
        f"--advertise-client-urls={etcd_url}", f"--listen-peer-urls=http://127.0.0.1:{peer_port}", "--unsafe-no-fsync",
    ]  # fmt: skip
    server = [
        str(binaries / "kube-apiserver"), f"--etcd-servers={etcd_url}", f"--cert-dir={folder}",
        "--bind-address=127.0.0.1", f"--secure-port={port}", "--authorization-mode=RBAC",
        f"--token-auth-file={folder / 'tokens.csv'}", "--service-cluster-ip-range=10.0.0.0/24",
        "--service-account-issuer=https://localhost", f"--service-account-key-file={folder / 'sa.key'}",
        f"--service-account-signing-key-file={folder / 'sa.key'}",
    ]  # fmt: skip
    with (folder / "log").open("wb") as log:
        started = [subprocess.Popen(command, stdout=log, stderr=log) for command in (etcd, server)]
        api = Api(f"https://127.0.0.1:{port}", authority=None, token=TOKEN, pair=None)
        try:
            _wait_ready(api)
            yield api
        finally:
            api.close()
            for process in reversed(started):
                process.terminate()
                process.wait(30)


def _wait_ready(api: Api) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            if api.call("GET", "/readyz").status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.2)
    raise TimeoutError("kube-apiserver did not become ready")


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports
