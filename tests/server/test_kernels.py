"""The Python of a job that a server submits is that of the server's own kernels, whichever manager it has for them."""

from __future__ import annotations

from typing import Any

import pytest
from jupyter_client.kernelspec import NoSuchKernel

from mlk_jupyter.bundle import Bundle
from mlk_jupyter.model import JobSpec
from mlk_jupyter.server.app import MlkJupyterApp


async def test_the_manager_of_the_server_is_asked(
    app: MlkJupyterApp, jp_serverapp: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLK_BACKEND", "local")
    asked: list[str] = []

    def get_kernel_spec(name: str) -> Any:
        asked.append(name)
        raise NoSuchKernel(name)

    monkeypatch.setattr(jp_serverapp.kernel_spec_manager, "get_kernel_spec", get_kernel_spec)
    local = await app.services.backend.at("local")
    spec = JobSpec(name="a", notebook="a.ipynb", mlflow=False)
    said = await local.preflight(spec, Bundle(data=b"", notebook={}, directory=None, kernel="trainer"))
    assert asked == ["trainer"] and not said.ok
    assert [finding.code for finding in said.findings if finding.field == "kernel"] == ["no_kernel"]
