"""The websocket: snapshots, deltas, and what happens to windows that are slow, silent, rude or gone."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from jupyter_server.auth import Authorizer
from memory_backend import MemoryBackend
from socket_window import Socket, eventually
from tornado.httpclient import HTTPClientError

from mlk_jupyter.errors import BackendUnavailable
from mlk_jupyter.follow.broadcast import Watch
from mlk_jupyter.model import Phase
from mlk_jupyter.server import feeds, window
from mlk_jupyter.server.app import MlkJupyterApp
from mlk_jupyter.server.channel import Windows
from mlk_jupyter.server.viewer import Viewer

Connect = Callable[[], Awaitable[Socket]]


async def test_jobs_come_whole_first_and_then_as_changes(backend: MemoryBackend, connect: Connect) -> None:
    backend.put("old")
    backend.put("new")
    socket = await connect()
    await socket.ask("subscribe", "jobs")
    first = await socket.read()
    assert (first["topic"], first["kind"], first["seq"]) == ("jobs", "snapshot", 0)
    assert [job["id"] for job in first["data"]["jobs"]] == ["new", "old"]
    backend.put("old", Phase.FAILED)
    second = await socket.read()
    assert (second["kind"], second["seq"]) == ("delta", 1)
    assert [(job["id"], job["phase"]) for job in second["data"]["changed"]] == [("old", "Failed")]
    await backend.delete("new")
    third = await socket.read()
    assert (third["seq"], third["data"]) == (2, {"changed": [], "removed": ["new"]})


async def test_many_windows_share_one_watch_which_ends_with_the_last(
    backend: MemoryBackend, app: MlkJupyterApp, connect: Connect
) -> None:
    backend.put("a")
    sockets = [await connect() for _ in range(3)]
    for socket in sockets:
        await socket.ask("subscribe", "jobs")
        assert (await socket.read())["kind"] == "snapshot"
    assert (backend.watching, backend.watched) == (1, 1)
    await sockets[0].ask("unsubscribe", "jobs")
    sockets[1].connection.close()
    await eventually(lambda: len(app.services.the(Windows).every) == 2)
    assert backend.watching == 1
    await sockets[2].ask("unsubscribe", "jobs")
    await eventually(lambda: backend.watching == 0)
    assert not app.services.backend.watches["memory"].running


async def test_without_a_window_nothing_runs(app: MlkJupyterApp, backend: MemoryBackend, connect: Connect) -> None:
    before = asyncio.all_tasks()
    backend.put("a")
    backend.write_log("a", b"line\n")
    socket = await connect()
    for topic in ("jobs", "job/a", "job/a/log/0", "job/a/frames"):
        await socket.ask("subscribe", topic)
        await socket.read()
    assert any(task.get_name().startswith("mlk") for task in asyncio.all_tasks())
    socket.connection.close()
    await eventually(lambda: not app.services.the(Windows).every)
    await eventually(lambda: not [task for task in asyncio.all_tasks() - before if task.get_name().startswith("mlk")])
    assert backend.watching == 0


async def test_a_window_that_comes_back_gets_a_snapshot_and_counts_from_0(
    backend: MemoryBackend, connect: Connect
) -> None:
    backend.put("a")
    for phase in (Phase.RUNNING, Phase.SUCCEEDED):
        backend.put("a", phase)
        socket = await connect()
        await socket.ask("subscribe", "jobs")
        message = await socket.read()
        assert (message["kind"], message["seq"]) == ("snapshot", 0)
        assert message["data"]["jobs"][0]["phase"] == phase.value
        socket.connection.close()


async def test_asking_again_for_a_topic_starts_it_over(backend: MemoryBackend, connect: Connect) -> None:
    backend.put("a")
    socket = await connect()
    for _ in range(2):
        await socket.ask("subscribe", "job/a")
        message = await socket.read()
        assert (message["kind"], message["seq"], message["data"]["id"]) == ("snapshot", 0, "a")


async def test_states_of_jobs_are_merged_for_a_window_that_does_not_read(
    backend: MemoryBackend, app: MlkJupyterApp
) -> None:
    backend.put("a")
    sent: list[dict[str, Any]] = []
    gate = asyncio.Event()

    async def send(text: str) -> None:
        sent.append(json.loads(text))
        await gate.wait()

    slow = new_window(app, send)
    await slow.take(topic("subscribe", "jobs"))
    await eventually(lambda: len(sent) == 1)  # the snapshot is on its way, and stuck
    for number in range(500):
        backend.put("a", Phase.RUNNING, error=str(number))
        backend.put(f"b{number % 5}", Phase.SUCCEEDED)
    await backend.delete("b3")
    await asyncio.sleep(0)
    gate.set()
    await eventually(lambda: bool(sent[-1]["data"].get("removed")))
    await slow.close()
    seen: dict[str, Any] = {job["id"]: job for job in sent[0]["data"]["jobs"]}
    for message in sent[1:]:
        seen.update((job["id"], job) for job in message["data"]["changed"])
        for job_id in message["data"]["removed"]:
            seen.pop(job_id, None)
    assert len(sent) < 20
    assert set(seen) == {"a", "b0", "b1", "b2", "b4"}
    assert seen["a"]["error"] == "499"
    assert [message["seq"] for message in sent] == list(range(len(sent)))


async def test_a_window_far_behind_in_a_log_starts_over_at_its_end(backend: MemoryBackend, app: MlkJupyterApp) -> None:
    backend.put("a")
    backend.write_log("a", b"first\n")
    sent: list[dict[str, Any]] = []
    gate = asyncio.Event()

    async def send(text: str) -> None:
        sent.append(json.loads(text))
        await gate.wait()

    slow = new_window(app, send)
    await slow.take(topic("subscribe", "job/a/log/0"))
    await eventually(lambda: len(sent) == 1)
    backend.write_log("a", b"0123456789abcde\n" * (9 << 16) + b"last\n")
    gate.set()
    await eventually(lambda: len(sent) == 2)
    await slow.close()
    assert sent[1]["kind"] == "snapshot"
    assert sent[1]["data"]["text"].endswith("\nlast\n")
    assert len(sent[1]["data"]["text"]) <= feeds.LOG_TAIL


async def test_a_log_is_followed_to_its_end(backend: MemoryBackend, connect: Connect) -> None:
    backend.put("a")
    backend.write_log("a", b"one\n")
    socket = await connect()
    await socket.ask("subscribe", "job/a/log/0")
    first = await socket.read()
    assert (first["kind"], first["data"]["text"], first["data"]["final"]) == ("snapshot", "one\n", False)
    backend.write_log("a", "tw\u00f6".encode()[:-1])
    second = await socket.read()
    assert (second["kind"], second["data"]["text"]) == ("delta", "tw")  # half a character waits
    backend.write_log("a", "\u00f6".encode()[1:] + b"\n")
    assert (await socket.read())["data"]["text"] == "\u00f6\n"
    backend.write_log("a", b"end")
    backend.put("a", Phase.SUCCEEDED)
    messages = await socket.until(lambda message: message["data"]["final"])
    assert "".join(message["data"]["text"] for message in messages) == "end"
    sizes = [first["data"]["next_offset"], *(message["data"]["next_offset"] for message in messages)]
    assert sizes == sorted(sizes) and sizes[-1] == len("one\ntwö\nend".encode())


async def test_a_log_goes_on_where_the_window_was(backend: MemoryBackend, connect: Connect) -> None:
    backend.put("a", Phase.SUCCEEDED)
    backend.write_log("a", b"one\ntwo\n")
    socket = await connect()
    await socket.ask("subscribe", "job/a/log/0", offset=4)
    message = await socket.read()
    assert (message["kind"], message["seq"], message["data"]["text"]) == ("delta", 0, "two\n")
    assert message["data"]["final"] is True


async def test_the_notebook_comes_whole_and_then_as_frames(backend: MemoryBackend, connect: Connect) -> None:
    backend.put("a")
    backend.write_frames("a", frame(0, "rank_started", cells=2), frame(1, "cell_started", cell=1, number=2, count=1))
    backend.write_frames("a", frame(2, "stream", cell=1, name="stdout", text="hello\n"))
    socket = await connect()
    await socket.ask("subscribe", "job/a/frames")
    first = await socket.read()
    assert first["kind"] == "snapshot" and first["data"]["running_cell"] == 1
    assert first["data"]["notebook"]["cells"][1]["outputs"][0]["text"] in ("hello\n", ["hello\n"])
    forged = {**frame(0, "error", ename="Forged", evalue="", traceback=[]), "rank": 4_000}
    backend.write_frames("a", forged, frame(3, "cell_finished", cell=1, status="ok", seconds=1.0))
    second = await socket.read()
    assert second["kind"] == "delta"
    assert [one["kind"] for one in second["data"]["frames"]] == ["cell_finished"]
    backend.put("a", Phase.SUCCEEDED)
    last = await socket.until(lambda message: message["data"]["final"])
    assert last[-1]["data"]["next_offset"] == backend.folder("a").frames.stat().st_size


@pytest.mark.parametrize("topic", ["job/a/log/0", "job/a/frames"])
async def test_the_end_of_what_grows_is_told_once(topic: str, backend: MemoryBackend, connect: Connect) -> None:
    backend.put("a", Phase.SUCCEEDED)
    backend.write_log("a", b"one\n")
    backend.write_frames("a", frame(0, "rank_started", cells=2))
    socket = await connect()
    await socket.ask("subscribe", topic)
    await socket.until(lambda message: message["data"]["final"])
    await socket.ask("subscribe", "jobs")
    assert (await socket.read())["topic"] == "jobs"
    backend.put("b")
    assert (await socket.read())["topic"] == "jobs"


async def test_a_job_is_told_anew_when_it_changes_and_its_end_is_told_when_it_is_deleted(
    backend: MemoryBackend, connect: Connect
) -> None:
    backend.put("a")
    socket = await connect()
    await socket.ask("subscribe", "job/a")
    assert (await socket.read())["data"]["phase"] == "Running"
    backend.put("a", Phase.SUCCEEDED)
    assert (await socket.read())["data"]["phase"] == "Succeeded"
    await backend.delete("a")
    gone = await socket.read()
    assert (gone["kind"], gone["data"]["code"]) == ("error", "job_not_found")


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        ("nonsense", "bad_topic"),
        ("job/../../etc", "bad_topic"),
        ("job/A", "bad_topic"),
        ("job/none", "job_not_found"),
        ("job/none/log/0", "job_not_found"),
        ("job/none/frames", "job_not_found"),
        ("job/a/log/7", "no_such_rank"),
    ],
)
async def test_a_topic_that_cannot_be_had_is_refused_in_words(
    wanted: str, code: str, backend: MemoryBackend, connect: Connect
) -> None:
    backend.put("a")
    socket = await connect()
    await socket.ask("subscribe", wanted)
    message = await socket.read()
    assert (message["kind"], message["topic"], message["data"]["code"]) == ("error", wanted, code)
    assert message["data"]["hint"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no json",
        "[]",
        "1",
        '{"op": "explode"}',
        '{"op": "subscribe", "topic": 1}',
        '{"op": "subscribe", "topic": "job/a/frames", "offset": 1' + "0" * 30 + "}",
        "[" * 5000,
        '{"a": NaN}',
    ],
)
async def test_nonsense_is_answered_and_the_socket_lives_on(
    text: str, backend: MemoryBackend, connect: Connect
) -> None:
    socket = await connect()
    await socket.connection.write_message(text)
    assert (await socket.read())["kind"] == "error"
    await socket.ask("subscribe", "jobs")
    assert (await socket.read())["kind"] == "snapshot"


async def test_a_message_that_is_too_large_ends_the_socket(
    backend: MemoryBackend, app: MlkJupyterApp, connect: Connect
) -> None:
    socket = await connect()
    await socket.connection.write_message("x" * (65 * 1024))
    assert await asyncio.wait_for(socket.connection.read_message(), 20) is None
    await eventually(lambda: not app.services.the(Windows).every)


async def test_a_silent_window_is_given_up(
    backend: MemoryBackend, app: MlkJupyterApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(window, "PING_S", 0.01)
    monkeypatch.setattr(window, "SILENCE_S", 0.05)
    hung_up, sent = asyncio.Event(), []

    async def send(text: str) -> None:
        sent.append(json.loads(text))

    silent = new_window(app, send, hang_up=hung_up.set)
    await asyncio.wait_for(hung_up.wait(), 20)
    await silent.close()
    assert {message["kind"] for message in sent} == {"ping"}
    assert [message["seq"] for message in sent] == list(range(len(sent)))


async def test_the_heartbeat_reaches_a_window_and_its_answer_is_taken(
    backend: MemoryBackend, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(window, "PING_S", 0.01)
    socket = await connect()
    ping = json.loads(await asyncio.wait_for(socket.connection.read_message(), 20))
    assert ping["kind"] == "ping"
    await socket.ask("pong", "")
    await socket.ask("subscribe", "jobs")
    assert (await socket.read())["kind"] == "snapshot"


async def test_a_backend_that_is_away_is_told_and_its_return_brings_a_snapshot(
    backend: MemoryBackend, app: MlkJupyterApp, connect: Connect
) -> None:
    app.services.backend.watches["memory"] = watch = Watch(backend, first_retry_s=0.01)
    backend.failure = BackendUnavailable("It is away.", hint="Wait.")
    socket = await connect()
    await socket.ask("subscribe", "jobs")
    message = await socket.read()
    assert (message["kind"], message["data"]["code"]) == ("error", "backend_unavailable")
    backend.failure = None
    assert (await socket.until(lambda message: message["kind"] == "snapshot"))[-1]["data"] == {"jobs": []}
    assert watch.error is None


async def test_at_most_eight_logs_are_followed_by_one_user(backend: MemoryBackend, connect: Connect) -> None:
    backend.put("a", world_size=20)
    one, other = await connect(), await connect()
    for rank in range(8):
        await (one if rank % 2 else other).ask("subscribe", f"job/a/log/{rank}")
        await (one if rank % 2 else other).read()
    await one.ask("subscribe", "job/a/log/8")
    assert (await one.read())["data"]["code"] == "too_many_requests"
    await one.ask("unsubscribe", "job/a/log/1")
    await one.ask("subscribe", "job/a/log/8")
    assert (await one.read())["kind"] == "snapshot"


async def test_a_socket_is_authorized_as_execute(jp_serverapp: Any, backend: MemoryBackend, connect: Connect) -> None:
    class ReadOnly(Authorizer):
        def is_authorized(self, handler: Any, user: Any, action: str, resource: str) -> bool:
            return action == "read"

    jp_serverapp.web_app.settings["authorizer"] = ReadOnly(parent=jp_serverapp)
    with pytest.raises(HTTPClientError) as refused:
        await connect()
    assert refused.value.code == 403


def frame(seq: int, kind: str, **fields: Any) -> dict[str, Any]:
    return {"kind": kind, "rank": 0, "seq": seq, "time": 1000.0 + seq, **fields}


def topic(op: str, name: str) -> Any:
    from mlk_jupyter.model.api import Topic

    return Topic.model_validate({"op": op, "topic": name})


def new_window(app: MlkJupyterApp, send: Callable[[str], Awaitable[None]], hang_up: Any = None) -> window.Window:
    made = window.Window(
        features=app.features,
        services=app.services,
        user="somebody",
        viewer=Viewer(None, may_write=True),
        send=send,
        ping=lambda: None,
        hang_up=hang_up or (lambda: None),
    )
    made.start()
    return made
