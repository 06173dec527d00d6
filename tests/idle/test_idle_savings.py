"""What stops have saved: by the records alone, whoever wrote them, never more than was measured."""

from __future__ import annotations

import itertools
import json
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlk_jupyter.idle import audit
from mlk_jupyter.idle.savings import KEPT_S, LIMIT_S, Saved, Savings, read_savings

HOUR, DAY = 3600.0, 86400.0
MAY_1 = datetime(2026, 5, 1, tzinfo=timezone.utc).timestamp()
AT = MAY_1 + 10 * DAY


def decided(event: str, at: float = AT, **more: Any) -> dict[str, Any]:
    told = {"kernel": "k", "path": "a.ipynb", "server": "s", "gpus": 2, "cost_per_hour": 10.0, "currency": "EUR"}
    return {"event": event, "at": at, **told, **more}


def sampled(at: float, *, kernel: str = "new", path: str | None = "a.ipynb", **signals: Any) -> dict[str, Any]:
    line = {"event": "sample", "at": at, "from": at, "kernel": kernel, "path": path, "server": "s"}
    return {**line, "signals": {"execution": ["idle", at - DAY], "cpu": 0.0, "gpu_busy": 0.0, "io": 0, **signals}}


def month(*records: dict[str, Any], now: float = AT + 2 * DAY, mode: Literal["shadow", "enforce"] = "enforce") -> Saved:
    return Savings(records).month(now, mode=mode, currency="EUR", tz=timezone.utc)


def hours(saved: Saved) -> float:
    assert saved.gpu_s is not None
    return saved.gpu_s / 2 / HOUR


def test_a_stop_saves_until_somebody_uses_the_notebook_again() -> None:
    saved = month(
        decided("stopped"),
        sampled(AT + 5 * HOUR),  # a kernel that came with a page: nobody has used it
        sampled(AT + 6 * HOUR, path="b.ipynb", message=["execute_request", AT + 6 * HOUR]),
        sampled(AT + 7 * HOUR, message=["execute_request", AT + 7 * HOUR]),
        sampled(AT + 9 * HOUR, message=["execute_request", AT + 9 * HOUR]),
    )
    assert saved == Saved(70.0, 2 * 7 * HOUR, 1)


def test_an_open_stop_has_saved_what_it_has_so_far_and_no_more_than_the_limit() -> None:
    assert hours(month(decided("stopped"), now=AT + 5 * HOUR)) == 5
    assert hours(month(decided("stopped"), now=AT + 9 * DAY)) == LIMIT_S / HOUR


def test_another_kernel_of_the_notebook_that_was_used_before_ends_nothing() -> None:
    saved = month(decided("stopped"), sampled(AT + HOUR, message=["execute_request", AT - HOUR]), now=AT + 3 * HOUR)
    assert hours(saved) == 3


def test_stops_of_several_servers_and_restarts_are_added() -> None:
    saved = month(
        decided("stopped", kernel="k1", path="a.ipynb", server="s1"),
        decided("server_start", server="s1", kernel=None),
        decided("stopped", kernel="k2", path="b.ipynb", server="s2", at=AT + HOUR),
        decided("server_stop", server="s2", at=AT + 2 * HOUR, kernel=None),
        sampled(AT + 4 * HOUR, path="a.ipynb", message=["execute_request", AT + 4 * HOUR]),
    )
    assert saved.stops == 2 and hours(saved) == 4 + 1


def test_what_a_server_would_have_freed_anyway_when_it_ended_is_not_claimed() -> None:
    assert hours(month(decided("stopped"), decided("server_stop", AT + HOUR))) == 1
    by_policy = decided("server_stop", AT + HOUR, idle=True)
    assert hours(month(decided("stopped"), by_policy, now=AT + 5 * HOUR)) == 5
    assert hours(month(decided("stopped"), by_policy, decided("server_stop", AT + 2 * HOUR), now=AT + 5 * HOUR)) == 5
    again = [decided("server_start", AT + 3 * HOUR), decided("server_stop", AT + 4 * HOUR)]
    assert hours(month(decided("stopped"), by_policy, *again, now=AT + 5 * HOUR)) == 4


def test_each_month_has_its_own_part() -> None:
    june_1 = MAY_1 + 31 * DAY
    records = [
        decided("stopped", june_1 - 3 * HOUR),
        sampled(june_1 + 5 * HOUR, message=["execute_request", june_1 + 5 * HOUR]),
    ]
    assert hours(month(*records, now=june_1 - 1)) == pytest.approx(3, abs=0.001)
    assert hours(month(*records, now=june_1 + DAY)) == 5
    assert month(*records, now=june_1 + 31 * DAY) == Saved(0, 0, 0)


def test_a_clock_that_goes_back_saves_nothing_that_was_not_measured() -> None:
    back = AT - 30 * DAY + HOUR
    assert month(decided("stopped"), sampled(back, message=["execute_request", back])).stops == 0
    assert month(decided("stopped"), now=AT - HOUR).stops == 0


def test_unknown_price_and_unknown_gpus_are_unknown_and_not_zero() -> None:
    assert month(decided("stopped", cost_per_hour=None), now=AT + HOUR) == Saved(None, 2 * HOUR, 1)
    assert month(decided("stopped", gpus=None), now=AT + HOUR) == Saved(10.0, None, 1)
    assert month(decided("stopped", currency="USD"), now=AT + HOUR).saved is None
    both = month(decided("stopped"), decided("stopped", kernel="other", path="b", cost_per_hour=None), now=AT + HOUR)
    assert both == Saved(10.0, 4 * HOUR, 2)
    assert month() == Saved(0, 0, 0)


def test_gpus_and_currency_are_found_in_the_signals_and_the_policy_of_a_decision() -> None:
    record = decided("stopped", policy={"MLK_CURRENCY": "EUR"}, signals={"gpus": {"value": 2, "why": None}})
    del record["gpus"], record["currency"]
    assert month(record, now=AT + HOUR) == Saved(10.0, 2 * HOUR, 1)


def test_what_a_person_stopped_was_not_saved_by_the_policy() -> None:
    assert month(decided("stopped", kind="asked")).stops == 0


@pytest.mark.parametrize(
    "record",
    [
        decided("resumed", AT + 2 * HOUR),
        decided("lease", AT + 2 * HOUR),
        decided("server_stop", AT + 2 * HOUR, idle=True),
        decided("stopped", AT + 2 * HOUR, kind="asked"),
        sampled(AT + 2 * HOUR, kernel="k") | {"gone": True},
        sampled(AT + 2 * HOUR, kernel="k", message=["execute_request", AT + 2 * HOUR]),
        sampled(AT + 2 * HOUR, kernel="k", presence=["key", AT + 2 * HOUR]),
        sampled(AT + 2 * HOUR, kernel="k", cpu=2.0),
        sampled(AT + 2 * HOUR, kernel="k", gpu_busy=0.01),
        sampled(AT + 2 * HOUR, kernel="k", io=65536),
    ],
    ids=["resumed", "kept", "server", "stopped", "gone", "cell", "key", "cpu", "gpu", "io"],
)
def test_in_shadow_it_counts_until_the_kernel_does_something_or_ends(record: dict[str, Any]) -> None:
    quiet = [sampled(AT + hour * HOUR, kernel="k", cpu=1.5, message=["execute_request", AT - DAY]) for hour in (1, 2)]
    saved = month(decided("would_stop"), quiet[0], decided("would_stop", AT + 1.5 * HOUR), record, mode="shadow")
    assert (saved.stops, hours(saved)) == (1, 2)
    assert hours(month(decided("would_stop"), *quiet, now=AT + 2.5 * HOUR, mode="shadow")) == 2.5


def test_in_shadow_a_kernel_of_which_nothing_is_heard_any_more_saves_nothing() -> None:
    alive = [sampled(AT + hour * HOUR, kernel="k") for hour in range(5)]
    assert hours(month(decided("would_stop"), *alive, now=AT + 2 * DAY, mode="shadow")) == 5


def test_shadow_and_enforce_are_never_added() -> None:
    records = [decided("would_stop", kernel="k1"), decided("stopped", kernel="k2", path="b.ipynb")]
    assert [month(*records, mode="shadow").stops, month(*records, mode="enforce").stops] == [1, 1]
    assert month(decided("would_stop"), decided("stopped", AT + HOUR), mode="enforce").stops == 1


def test_records_one_by_one_give_what_all_of_them_give() -> None:
    records = [
        decided("stopped", kernel=f"k{number}", path=f"{number}.ipynb", at=AT + number * HOUR) for number in range(20)
    ]
    live = Savings()
    for record in records:
        live.take(record)
    later = AT + 40 * HOUR
    assert live.month(later, mode="enforce", currency="EUR", tz=timezone.utc) == month(*records, now=later)


def test_a_sample_is_looked_up_and_not_compared_with_each_stop_there_is() -> None:
    class Record(dict[str, Any]):
        asked = 0

        def get(self, *key: Any) -> Any:
            self.asked += 1
            return super().get(*key)

    live = Savings(decided("stopped", kernel=f"k{number}", path=f"{number}.ipynb") for number in range(3_000))
    record = Record(sampled(AT + HOUR, path="7.ipynb", message=["execute_request", AT + HOUR]))
    live.take(record)
    assert record.asked < 20
    assert live.month(AT + 2 * HOUR, mode="enforce", currency="EUR").stops == 3_000


def test_stops_of_months_that_are_over_are_forgotten() -> None:
    live = Savings(decided(event, kernel=event) for event in ("stopped", "would_stop"))
    assert live.month(AT + KEPT_S, mode="enforce", currency="EUR") == Saved(0, 0, 0)
    assert not live._open and not live._of_path and not live._closed


def test_only_what_tells_of_a_stop_is_parsed_and_the_figures_are_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = 'ä "quoted"\\.ipynb'
    records = [
        decided("stopped", kernel="k1", path=odd),
        decided("would_stop", AT + HOUR, kernel="k2", path=None),
        decided("server_stop", AT + 9 * HOUR, kernel=None),
        *(sampled(AT + minute * 60, kernel="other", path="other.ipynb") for minute in range(300)),
        sampled(AT + 2 * HOUR, kernel="k2", path=None, cpu=90.0),
        sampled(AT + 3 * HOUR, kernel="k3", path=odd, message=["execute_request", AT + 3 * HOUR]),
    ]
    written = audit.Audit(tmp_path)
    for record in sorted(records, key=lambda record: record["at"]):
        written.write(record)
    parsed: list[object] = []
    loads = json.loads
    with monkeypatch.context() as patched:
        patched.setattr(audit.json, "loads", lambda line: parsed.append(line) or loads(line))
        found = read_savings(tmp_path, AT + DAY)
    assert len(parsed) < 15
    every = Savings(audit.read(tmp_path))
    modes: tuple[Literal["shadow", "enforce"], ...] = ("shadow", "enforce")
    for mode in modes:
        saved = found.month(AT + DAY, mode=mode, currency="EUR")
        assert saved.stops == 1 and saved == every.month(AT + DAY, mode=mode, currency="EUR")


@pytest.mark.parametrize("broken", [{"signals": 3}, {"policy": []}, {"path": 7}, {"gpus": "many"}, {"verdict": "due"}])
def test_a_record_of_another_form_breaks_nothing(broken: dict[str, Any]) -> None:
    for one, other in itertools.product([{}, broken], repeat=2):
        month(decided("stopped") | one, sampled(AT + HOUR) | other, decided("would_stop", kernel="x") | broken)


_RECORDS = st.lists(
    st.builds(
        lambda event, hour, kernel, path, used: {
            **(sampled(AT + hour * HOUR) if event == "sample" else decided(event, AT + hour * HOUR)),
            "kernel": kernel,
            "path": path,
            **({"signals": {"message": ["execute_request", AT + used * HOUR]}} if event == "sample" else {}),
        },
        st.sampled_from(
            ["stopped", "would_stop", "sample", "resumed", "lease", "server_stop", "server_start", "warned"]
        ),
        st.integers(-50, 300),
        st.sampled_from(["k1", "k2", "k3"]),
        st.sampled_from([None, "a.ipynb", "b.ipynb"]),
        st.integers(-50, 300),
    ),
    max_size=30,
)


@given(_RECORDS, st.integers(-100, 900), st.sampled_from(["shadow", "enforce"]))
def test_whatever_is_recorded_nothing_is_saved_twice_nor_less_than_nothing(
    records: list[dict[str, Any]], now: int, mode: Literal["shadow", "enforce"]
) -> None:
    stops = sum(record["event"] in ("stopped", "would_stop") for record in records)
    saved = month(*records, now=AT + now * HOUR, mode=mode)
    assert 0 <= saved.stops <= stops
    assert 0 <= (saved.gpu_s or 0) <= 2 * LIMIT_S * stops
    assert saved.gpu_s is not None and saved.saved == pytest.approx(saved.gpu_s / 2 / HOUR * 10)
