"""What a server writes down of its kernels, and who reads it."""

from __future__ import annotations

import socket
from pathlib import Path

import psutil
import pytest
from idleservers import kernel, server

from mlk_jupyter.idle.servers import server_of, servers
from mlk_jupyter.idle.state import StateFile


def state_file(data_dir: Path, clock_s: float = 0.0) -> StateFile:
    created = psutil.Process().create_time() + clock_s
    return StateFile(data_dir / "idle" / "servers", url="http://127.0.0.1:8888/", root="/srv", created=created)


def test_what_a_server_writes_is_found_until_it_ends(data_dir: Path) -> None:
    told = server(kernel())
    file = state_file(data_dir)
    file.write(told.kernels, told.explained)
    (found,) = servers()
    assert (found.url, found.root, found.kernels, found.explained) == (
        "http://127.0.0.1:8888/",
        "/srv",
        told.kernels,
        told.explained,
    )
    assert server_of(kernel().id) == found
    file.remove()
    assert servers() == []


def test_a_clock_that_was_set_hides_no_server(data_dir: Path) -> None:
    state_file(data_dir, clock_s=3600.0).write(server().kernels, {})
    assert len(servers()) == 1


def test_pods_that_share_a_home_folder_do_not_write_over_each_other(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = server(kernel())
    here = state_file(data_dir)
    here.write(told.kernels, told.explained)
    monkeypatch.setattr(socket, "gethostname", lambda: "another-pod")
    assert servers() == []
    state_file(data_dir).write(server().kernels, {})
    (found,) = servers()
    assert found.kernels.kernels == []
    monkeypatch.undo()
    monkeypatch.setenv("MLK_DATA_DIR", str(data_dir))
    (found,) = servers()
    assert found.kernels == told.kernels
