"""Every kernel that a server starts bears its own id, in whatever way it is started, again and again."""

from __future__ import annotations

import json
from typing import Any

import psutil
import pytest
from jupyter_client.provisioning import LocalProvisioner

from mlk_jupyter.idle import kernels
from mlk_jupyter.server import kernel_tag

TAG = "MLK_KERNEL_ID"


@pytest.fixture(autouse=True)
def installed(jp_serverapp: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TAG, "of the kernel in which this server was started")
    for _ in range(2):
        kernel_tag.install(jp_serverapp)


def environ(serverapp: Any, kernel_id: str) -> dict[str, str]:
    return psutil.Process(serverapp.kernel_manager.get_kernel(kernel_id).provisioner.pid).environ()


def test_both_sides_mean_the_same_variable() -> None:
    assert kernel_tag.TAG == kernels.TAG == TAG


async def test_a_kernel_without_a_session_bears_its_id_also_when_it_was_restarted(
    jp_serverapp: Any, jp_fetch: Any
) -> None:
    kernel_id = json.loads((await jp_fetch("api", "kernels", method="POST", body="{}")).body)["id"]
    assert environ(jp_serverapp, kernel_id)[TAG] == kernel_id
    await jp_fetch("api", "kernels", kernel_id, "restart", method="POST", allow_nonstandard_methods=True)
    assert environ(jp_serverapp, kernel_id)[TAG] == kernel_id


async def test_a_notebooks_kernel_bears_its_id_also_when_it_was_renamed_and_restarted(
    jp_serverapp: Any, jp_fetch: Any
) -> None:
    asked = {"path": "a.ipynb", "name": "a.ipynb", "type": "notebook", "kernel": {"name": "python3"}}
    session = json.loads((await jp_fetch("api", "sessions", method="POST", body=json.dumps(asked))).body)
    kernel_id = session["kernel"]["id"]
    first = environ(jp_serverapp, kernel_id)
    assert first["JPY_SESSION_NAME"].endswith("a.ipynb") and first[TAG] == kernel_id
    await jp_fetch("api", "sessions", session["id"], method="PATCH", body=json.dumps({"path": "b.ipynb"}))
    await jp_fetch("api", "kernels", kernel_id, "restart", method="POST", allow_nonstandard_methods=True)
    assert environ(jp_serverapp, kernel_id)[TAG] == kernel_id


async def test_a_kernel_that_is_still_pending_bears_its_id(jp_serverapp: Any) -> None:
    kernels = jp_serverapp.kernel_manager
    kernels.use_pending_kernels = True
    kernel_id = await kernels.start_kernel()
    await kernels.get_kernel(kernel_id).ready
    assert environ(jp_serverapp, kernel_id)[TAG] == kernel_id
    await kernels.shutdown_kernel(kernel_id, now=True)
    await kernels._pending_kernels[kernel_id]


async def test_a_provisioner_that_somebody_configured_stays_and_its_kernels_bear_their_id(
    jp_serverapp: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Ours(LocalProvisioner):
        def _finalize_env(self, env: dict[str, str]) -> None:
            super()._finalize_env(env)
            env["PROVISIONED_BY"] = "ours"

    class Entry:
        name, value = "local-provisioner", "somebodys:Ours"

        def load(self) -> type[LocalProvisioner]:
            return Ours

    from jupyter_client.provisioning import KernelProvisionerFactory

    kernels = jp_serverapp.kernel_manager
    factory = KernelProvisionerFactory.instance(parent=kernels)
    monkeypatch.setitem(factory.provisioners, "local-provisioner", Entry())
    kernel_id = await kernels.start_kernel()
    found = environ(jp_serverapp, kernel_id)
    assert (found["PROVISIONED_BY"], found[TAG]) == ("ours", kernel_id)
    await kernels.shutdown_kernel(kernel_id, now=True)
