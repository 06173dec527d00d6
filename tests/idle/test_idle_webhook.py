"""Posts to people who are away: what they say, and what happens when their receiver is down, slow or broken."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from mlk_jupyter.idle.webhook import Post, Webhook, address_of_server, text_of

URL = "https://hooks.example.org/services/T000/s3cr3t"
POST = Post("warned", "idle, holds 1 GPU unused", kernel="k-1", path="work/train.ipynb", deadline=1_800_000_000.0)


def receiver(answer: Callable[[httpx.Request], Any], **options: Any) -> tuple[Webhook, list[dict[str, Any]]]:
    taken: list[dict[str, Any]] = []

    async def handle(request: httpx.Request) -> httpx.Response:
        taken.append(json.loads(request.content))
        given = answer(request)
        return await given if asyncio.iscoroutine(given) else given

    return Webhook(URL, transport=httpx.MockTransport(handle), pauses_s=(0.0, 0.0), **options), taken


def test_a_post_has_words_for_people_and_fields_for_programs() -> None:
    async def story() -> None:
        webhook, taken = receiver(lambda _: httpx.Response(200), user="ada", server_url="https://hub.example/user/ada/")
        webhook.post(POST)
        assert await webhook.flush(5)
        await webhook.close()
        (body,) = taken
        assert body.pop("text") == (
            "`work/train.ipynb` of `ada` is about to be stopped at 2027-01-15 08:00 UTC: idle, holds 1 GPU unused. "
            "https://hub.example/user/ada/"
        )
        assert body == {
            "event": "warned",
            "words": "idle, holds 1 GPU unused",
            "kernel": "k-1",
            "path": "work/train.ipynb",
            "deadline": 1_800_000_000.0,
            "user": "ada",
            "server_url": "https://hub.example/user/ada/",
        }

    asyncio.run(story())


@pytest.mark.parametrize(
    ("post", "begin"),
    [
        (Post("stopped", "was idle for 2 h", kernel="k"), "A kernel without a notebook was stopped: was idle for 2 h."),
        (Post("server_warned", "no kernel runs", deadline=0.0), "The Jupyter server is about to be stopped at 1970"),
        (Post("server_stopped", "no kernel ran"), "The Jupyter server was stopped: no kernel ran."),
    ],
)
def test_each_event_has_its_sentence(post: Post, begin: str) -> None:
    assert text_of(post, None, None).startswith(begin)


def test_names_that_people_chose_neither_format_the_text_nor_call_anybody() -> None:
    text = text_of(Post("stopped", "idle\nhere", kernel="k", path="<!channel> `@all`\n*x*.ipynb"), None, None)
    assert text == "`&lt;!channel&gt; '@all' *x*.ipynb` was stopped: idle here."


@pytest.mark.parametrize("status", [500, 503, 429])
def test_what_may_be_mended_by_waiting_is_tried_three_times(status: int) -> None:
    async def story() -> None:
        webhook, taken = receiver(lambda _: httpx.Response(status))
        webhook.post(POST)
        assert await webhook.flush(5)
        assert len(taken) == 3
        await webhook.close()

    asyncio.run(story())


@pytest.mark.parametrize("status", [404, 410, 302])
def test_a_refusal_and_a_redirect_are_not_repeated(status: int) -> None:
    async def story() -> None:
        webhook, taken = receiver(lambda _: httpx.Response(status, headers={"Location": "http://169.254.169.254/"}))
        webhook.post(POST)
        assert await webhook.flush(5)
        assert len(taken) == 1
        await webhook.close()

    asyncio.run(story())


def test_a_receiver_that_is_down_costs_one_line_without_the_secret(caplog: pytest.LogCaptureFixture) -> None:
    def down(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError(f"no route to {request.url}")

    async def story() -> None:
        webhook, taken = receiver(down)
        for _ in range(4):
            webhook.post(POST)
        assert await webhook.flush(5)
        assert len(taken) == 12
        await webhook.close()

    with caplog.at_level(logging.INFO):
        asyncio.run(story())
    (line,) = [record.getMessage() for record in caplog.records]
    assert line == "The webhook at https://hooks.example.org/… did not take 'warned': ConnectError"


@pytest.mark.parametrize(
    "url",
    [
        URL,
        "https://hooks.example.org?token=s3cr3t",
        "https://hooks.example.org:443/a b/s3cr3t",
        "HTTPS://Hooks.Example.ORG/%7Es3cr3t",
        "https://bücher.example/s3cr3t",
        "https://xn--bcher-kva.example/s3cr3t",
    ],
)
@pytest.mark.parametrize("status", [200, 404])
def test_no_log_of_a_post_holds_the_secret(caplog: pytest.LogCaptureFixture, url: str, status: int) -> None:
    async def story() -> None:
        transport = httpx.MockTransport(lambda _: httpx.Response(status))
        webhook = Webhook(url, transport=transport, pauses_s=())
        webhook.post(POST)
        assert await webhook.flush(5)
        await webhook.close()

    with caplog.at_level(logging.DEBUG):
        asyncio.run(story())
    assert "s3cr3t" not in caplog.text


def test_whoever_stops_a_kernel_waits_no_longer_than_it_says_for_a_slow_receiver() -> None:
    async def story() -> None:
        answers = asyncio.Event()

        async def slow() -> httpx.Response:
            await answers.wait()
            return httpx.Response(200)

        webhook, taken = receiver(lambda _: slow(), post_s=60)
        webhook.post(POST)
        assert not await webhook.flush(0.05)
        answers.set()
        assert await webhook.flush(5)
        assert len(taken) == 1
        await webhook.close()

    asyncio.run(story())


def test_a_receiver_that_never_answers_is_given_up() -> None:
    async def never() -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError

    async def story() -> None:
        webhook, taken = receiver(lambda _: never(), post_s=0.02)
        webhook.post(POST)
        assert await webhook.flush(30)
        assert len(taken) == 3
        await webhook.close()

    asyncio.run(story())


def test_of_too_many_the_oldest_are_dropped_and_no_task_is_left() -> None:
    async def story() -> None:
        webhook, taken = receiver(lambda _: httpx.Response(200))
        for number in range(250):
            webhook.post(Post("stopped", "idle", kernel=str(number)))
        assert await webhook.flush(30)
        await asyncio.sleep(0)
        assert [body["kernel"] for body in taken] == [str(number) for number in range(150, 250)]
        assert not [task for task in asyncio.all_tasks() if task.get_name() == "mlk webhook"]
        await webhook.close()

    asyncio.run(story())


@pytest.mark.parametrize("url", ["http://[::1/x", "https://example.org:99999/x", "https://example.org:0/x"])
def test_an_address_that_cannot_be_asked_is_given_up(url: str, caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        webhook = Webhook(url, pauses_s=())
        webhook.post(POST)
        assert await webhook.flush(30)
        await webhook.close()

    asyncio.run(story())
    assert "did not take 'warned'" in caplog.text


def test_the_address_of_a_server_is_what_the_hub_tells() -> None:
    assert address_of_server({}) is None
    assert (
        address_of_server({"JUPYTERHUB_PUBLIC_URL": "https://hub.example/user/ada/"}) == "https://hub.example/user/ada/"
    )
