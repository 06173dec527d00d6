"""The policy for idle kernels: what may be written, what is refused, and who may change what."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlk_jupyter.idle.policy import (
    HOUR,
    VALUES,
    BadPolicy,
    Ceilings,
    Policy,
    as_values,
    check,
    configured,
    ignored,
    of_metadata,
    resolve,
)
from mlk_jupyter.idle.values import Unusable, length

LENGTHS = [value.variable for value in VALUES if value.field.endswith("_s")]
NOTHING = Ceilings()


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90),
        ("30m", 1800),
        ("2h", 7200),
        ("1d", 86_400),
        ("1h30m", 5400),
        ("1d 2h 3m 4s", 93_784),
        ("1.5h", 5400),
        ("0.5m", 30),
        (" 20 ", 20),
        ("0", 0),
        ("0h", 0),
        ("366d", 366 * 86_400),
    ],
)
def test_a_length_of_time_is_read(text: str, seconds: float) -> None:
    assert length(text) == seconds


NONSENSE = [
    "",
    " ",
    "soon",
    "-5",
    "-1h",
    "+5",
    "nan",
    "inf",
    "infinity",
    "1e3",
    "1e999",
    "0x10",
    "1_000",
    "٣",
    "5 5",
    "5min",
]
NONSENSE += [
    "m",
    "h30",
    "30m2h",
    "1h1h",
    "2H",
    "1h30",
    "0.2",
    "367d",
    "9" * 400,
    "1,5h",
    "1..5h",
    "None",
    "true",
    "4h\n5m",
    "h m",
]


@pytest.mark.parametrize("text", NONSENSE)
@pytest.mark.parametrize("variable", ["MLK_IDLE_TTL", "MLK_IDLE_GPU_TTL_MAX"])
def test_a_length_that_is_none_is_refused_with_the_name_of_its_variable(variable: str, text: str) -> None:
    with pytest.raises(BadPolicy) as caught:
        configured({variable: text})
    assert caught.value.variable == variable and caught.value.detail.startswith(f"{variable} is ")
    assert "Write for example 30m, 2h" in caught.value.hint and len(caught.value.detail) < 200


@given(st.text(max_size=12))
def test_whatever_is_written_is_a_length_in_bounds_or_refused(text: str) -> None:
    try:
        assert 0 <= length(text) <= 366 * 86_400
    except Unusable as error:
        assert error.why and error.write


@given(st.integers(1, 300), st.integers(0, 23), st.integers(0, 59), st.integers(0, 59))
def test_all_parts_of_a_length_add_up(days: int, hours: int, minutes: int, seconds: int) -> None:
    assert length(f"{days}d{hours}h{minutes}m{seconds}s") == ((days * 24 + hours) * 60 + minutes) * 60 + seconds


@pytest.mark.parametrize(
    ("variable", "text", "value"),
    [
        ("MLK_IDLE_MODE", "enforce", "enforce"),
        ("MLK_IDLE_CPU_PCT", "2.5", 2.5),
        ("MLK_IDLE_IO_BYTES", "1000", 1000),
        ("MLK_IDLE_CHECKPOINT", "off", "off"),
        ("MLK_IDLE_AUDIT_LOG", "true", True),
        ("MLK_IDLE_AUDIT_LOG", "0", False),
        ("MLK_IDLE_WEBHOOK", "", ""),
        ("MLK_PROFILE", "gpu-large", "gpu-large"),
        ("MLK_PRICE_PER_HOUR", "36", 36),
        ("MLK_PRICE_PER_HOUR", "", None),
        ("MLK_PRICE_PER_HOUR", "0", 0),
        ("MLK_CURRENCY", "EUR", "EUR"),
        *[(name, "2h", 7200) for name in LENGTHS if name != "MLK_IDLE_WARN"],
    ],
)
def test_each_variable_sets_its_value(variable: str, text: str, value: Any) -> None:
    found = configured({variable: text})
    assert as_values(found.policy)[variable] == value and found.sources[variable] == variable


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("MLK_IDLE_MODE", "Enforce"),
        ("MLK_IDLE_MODE", "False"),
        ("MLK_IDLE_MODE", "on"),
        ("MLK_IDLE_CPU_PCT", "0"),
        ("MLK_IDLE_CPU_PCT", "nan"),
        ("MLK_IDLE_CPU_PCT", "2%"),
        ("MLK_IDLE_CPU_PCT", "-1"),
        ("MLK_IDLE_GPU_PCT", "101"),
        ("MLK_IDLE_IO_BYTES", "64k"),
        ("MLK_IDLE_IO_BYTES", "9" * 400),
        ("MLK_IDLE_CHECKPOINT", "named"),
        ("MLK_IDLE_AUDIT_LOG", "maybe"),
        ("MLK_IDLE_WEBHOOK", "hooks.example.com/x"),
        ("MLK_IDLE_WEBHOOK", "file:///etc/passwd"),
        ("MLK_IDLE_WEBHOOK", "https://"),
        ("MLK_IDLE_WEBHOOK", "https://a:b@example.com/"),
        ("MLK_PRICE_PER_HOUR", "-1"),
        ("MLK_PRICE_PER_HOUR", "$36"),
        ("MLK_PRICE_PER_HOUR", "inf"),
        ("MLK_CURRENCY", "euro"),
        ("MLK_PROFILE", "a\nb"),
    ],
)
def test_nonsense_is_refused_with_the_name_of_its_variable(variable: str, text: str) -> None:
    with pytest.raises(BadPolicy) as caught:
        configured({variable: text})
    assert caught.value.variable == variable and caught.value.hint.startswith("Write ")
    assert check({variable: text}) == [f"{caught.value.detail} {caught.value.hint}"]


def test_the_refusal_of_a_webhook_does_not_repeat_it() -> None:
    assert "s3cret" not in str(check({"MLK_IDLE_WEBHOOK": "hooks.example.com/s3cret"}))


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("MLK_IDLE_TLL", "MLK_IDLE_TTL"),
        ("MLK_IDLE_GPUTTL", "MLK_IDLE_GPU_TTL"),
        ("MLK_IDLE_WARN_MAX", "MLK_IDLE_"),
        ("MLK_IDLE_MODE_MAX", "MLK_IDLE_"),
        ("MLK_IDLE_", "MLK_IDLE_"),
        ("MLK_IDLE_ttl", "MLK_IDLE_"),
    ],
)
def test_an_unknown_variable_is_refused_and_the_near_one_named(name: str, near: str) -> None:
    with pytest.raises(BadPolicy) as caught:
        configured({name: "1h"})
    assert caught.value.variable == name and near in caught.value.hint


@pytest.mark.parametrize("service", ["MLK_IDLE", "MLK_IDLE_HOOKS", "MLK_IDLE_TTL"])
def test_what_kubernetes_tells_of_a_service_is_no_variable_of_the_policy(service: str) -> None:
    port = f"{service}_PORT_8080_TCP"
    names = [f"{service}_SERVICE_HOST", f"{service}_SERVICE_PORT", f"{service}_SERVICE_PORT_HTTP", f"{service}_PORT"]
    names += [port, f"{port}_PROTO", f"{port}_PORT", f"{port}_ADDR"]
    assert configured(dict.fromkeys(names, "tcp://10.0.0.1:8080")).policy == Policy()


def test_check_tells_all_that_is_wrong_and_other_variables_do_not_matter() -> None:
    bad = {"MLK_IDLE_TTL": "x", "MLK_IDLE_MODE": "y", "MLK_IDLE_TTTL": "1h", "MLK_DATA_DIR": "/nowhere", "HOME": ""}
    assert [sentence.split()[0] for sentence in check(bad)] == ["MLK_IDLE_TTTL", "MLK_IDLE_MODE", "MLK_IDLE_TTL"]
    assert check({}) == [] and configured({"HOME": "/"}).policy == Policy()


def test_the_longest_lease_is_no_ceiling_of_leases() -> None:
    assert configured({"MLK_IDLE_LEASE_MAX": "1h"}).policy.lease_max_s == HOUR


@pytest.mark.parametrize(
    ("env", "warn_s"),
    [
        ({}, 300),
        ({"MLK_IDLE_TTL": "20"}, 5),
        ({"MLK_IDLE_TTL": "300"}, 75),
        ({"MLK_IDLE_TTL": "301"}, 300),
        ({"MLK_IDLE_INPUT_TTL": "40", "MLK_IDLE_TTL": "60"}, 10),
        ({"MLK_IDLE_TTL": "0", "MLK_IDLE_GPU_TTL": "0"}, 300),
        ({"MLK_IDLE_GPU_TTL_MAX": "60"}, 15),
        ({"MLK_IDLE_TTL": "20", "MLK_IDLE_WARN": "10"}, 10),
        ({"MLK_IDLE_TTL": "20", "MLK_IDLE_WARN": "0"}, 0),
        ({"MLK_IDLE_SERVER_TTL": "60"}, 300),
    ],
)
def test_a_warning_that_nobody_chose_fits_the_shortest_limit(env: dict[str, str], warn_s: float) -> None:
    found = configured(env)
    assert found.policy.warn_s == warn_s
    chosen = "MLK_IDLE_WARN" if "MLK_IDLE_WARN" in env else "default" if warn_s == 300 else "fitted"
    assert found.sources["MLK_IDLE_WARN"] == chosen


@pytest.mark.parametrize(
    ("env", "other"),
    [
        ({"MLK_IDLE_WARN": "10m", "MLK_IDLE_TTL": "10m"}, "MLK_IDLE_TTL"),
        ({"MLK_IDLE_WARN": "3h"}, "MLK_IDLE_GPU_TTL (2 h, its default)"),
        ({"MLK_IDLE_WARN": "10m", "MLK_IDLE_MAX_AGE": "5m"}, "MLK_IDLE_MAX_AGE"),
        ({"MLK_IDLE_WARN": "10m", "MLK_IDLE_TTL_MAX": "5m"}, "MLK_IDLE_TTL_MAX"),
    ],
)
def test_a_chosen_warning_that_is_not_shorter_than_a_limit_is_refused(env: dict[str, str], other: str) -> None:
    with pytest.raises(BadPolicy) as caught:
        configured(env)
    assert caught.value.variable == "MLK_IDLE_WARN" and other in caught.value.detail


def test_a_ceiling_holds_for_the_administrators_own_limits_too() -> None:
    found = configured({"MLK_IDLE_TTL": "8h", "MLK_IDLE_TTL_MAX": "2h", "MLK_IDLE_MAX_AGE_MAX": "7d"})
    assert (found.policy.ttl_s, found.sources["MLK_IDLE_TTL"]) == (2 * HOUR, "ceiling")
    assert (found.policy.max_age_s, found.sources["MLK_IDLE_MAX_AGE"]) == (7 * 86_400, "ceiling")  # 0 is the longest


def test_a_variable_wins_over_its_trait_and_a_trait_over_the_default() -> None:
    found = configured({"MLK_IDLE_TTL": "2h"}, {"idle_ttl": "3h", "idle_mode": "enforce", "idle_price_per_hour": "2"})
    assert (found.policy.ttl_s, found.policy.mode, found.policy.price_per_hour) == (2 * HOUR, "enforce", 2)
    assert found.sources["MLK_IDLE_MODE"] == "MlkJupyterApp.idle_mode"
    assert found.sources["MLK_IDLE_TTL"] == "MLK_IDLE_TTL"
    with pytest.raises(BadPolicy) as caught:
        configured({}, {"idle_ttl": "soon"})
    assert caught.value.variable == "MlkJupyterApp.idle_ttl"


@pytest.mark.parametrize("rest", ["/services/s3cret", "?token=s3cret", "#s3cret", ":8443?token=s3cret", "/"])
def test_the_webhooks_secret_is_in_no_list_of_values(rest: str) -> None:
    url = f"https://hooks.example.com{rest}"
    policy = configured({"MLK_IDLE_WEBHOOK": url}).policy
    assert as_values(policy)["MLK_IDLE_WEBHOOK"] == "https://hooks.example.com/…"
    assert policy.webhook == url


@pytest.mark.parametrize(
    ("env", "layers", "ttl_s", "source"),
    [
        ({}, {}, 4 * HOUR, "default"),
        ({"MLK_IDLE_TTL": "4h"}, {}, 4 * HOUR, "MLK_IDLE_TTL"),
        ({}, {"kernelspec": "2h"}, 2 * HOUR, "kernelspec"),
        ({}, {"kernelspec": "2h", "notebook": "3h"}, 3 * HOUR, "notebook"),
        ({}, {"kernelspec": "2h", "notebook": "3h", "setting": "10m"}, 600, "setting"),
        ({}, {"setting": "12h"}, 12 * HOUR, "setting"),  # nobody set a limit
        ({}, {"setting": "0"}, 0, "setting"),
        ({"MLK_IDLE_TTL": "1h"}, {"setting": "12h"}, HOUR, "ceiling"),  # an administrator's limit is its ceiling
        ({"MLK_IDLE_TTL": "1h"}, {"setting": "0"}, HOUR, "ceiling"),
        ({"MLK_IDLE_TTL": "1h", "MLK_IDLE_TTL_MAX": "6h"}, {"setting": "5h"}, 5 * HOUR, "setting"),
        ({"MLK_IDLE_TTL": "1h", "MLK_IDLE_TTL_MAX": "6h"}, {"notebook": "1d"}, 6 * HOUR, "ceiling"),
        ({"MLK_IDLE_TTL": "1h", "MLK_IDLE_TTL_MAX": "6h"}, {"kernelspec": "0"}, 6 * HOUR, "ceiling"),
        ({"MLK_IDLE_TTL": "1h", "MLK_IDLE_TTL_MAX": "0"}, {"setting": "0"}, 0, "setting"),
        ({"MLK_IDLE_TTL_MAX": "6h"}, {"setting": "0"}, 6 * HOUR, "ceiling"),
        ({"MLK_IDLE_TTL": "0"}, {"setting": "2h"}, 2 * HOUR, "setting"),
    ],
)
def test_each_may_shorten_a_limit_and_lengthen_it_up_to_the_ceiling(
    env: dict[str, str], layers: dict[str, str], ttl_s: float, source: str
) -> None:
    found = configured(env)
    said = {layer: {"ttl": text} for layer, text in layers.items()}
    policy, sources = resolve(found.policy, found.ceilings, **said, given=found.sources)
    assert (policy.ttl_s, sources["MLK_IDLE_TTL"]) == (ttl_s, source)
    assert set(sources) == {value.variable for value in VALUES}


@pytest.mark.parametrize(
    ("mode", "wanted", "becomes"),
    [
        ("enforce", "off", "off"),
        ("enforce", "shadow", "shadow"),
        ("shadow", "enforce", "shadow"),
        ("shadow", "off", "off"),
        ("off", "enforce", "off"),
    ],
)
@pytest.mark.parametrize("layer", ["kernelspec", "notebook"])
def test_a_mode_only_becomes_milder(mode: Any, wanted: str, becomes: str, layer: str) -> None:
    said: dict[str, Any] = {layer: {"mode": wanted}}
    policy, sources = resolve(Policy(mode=mode), NOTHING, given={"MLK_IDLE_MODE": "default"}, **said)
    assert policy.mode == becomes
    assert (sources["MLK_IDLE_MODE"] == layer) == (becomes == wanted)


@pytest.mark.parametrize(("layer", "becomes"), [("kernelspec", "off"), ("notebook", "enforce")])
def test_a_line_in_a_notebook_is_no_way_around_a_mode_that_somebody_set(layer: str, becomes: str) -> None:
    said: dict[str, Any] = {layer: {"mode": "off"}}
    policy, sources = resolve(Policy(mode="enforce"), NOTHING, given={"MLK_IDLE_MODE": "MLK_IDLE_MODE"}, **said)
    assert policy.mode == becomes
    assert sources["MLK_IDLE_MODE"] == ("kernelspec" if becomes == "off" else "MLK_IDLE_MODE")


@pytest.mark.parametrize(
    "said",
    [
        "2h",
        7,
        ["ttl"],
        {"ttl": "soon"},
        {"ttl": -1},
        {"ttl": True},
        {"ttl": float("nan")},
        {"ttl": float("inf")},
        {"ttl": 1e308},
        {"ttl": 10**5000},
        {"ttl": ["2h"]},
        {"ttl": {"ttl": "2h"}},
        {"tll": "2h"},
        {"cpu_pct": 90},
        {"webhook": "https://example.com"},
        {"lease_max": "9d"},
        {"server_ttl": "10m"},
        {"price_per_hour": "1"},
        {7: "2h"},
        {"mode": "kill"},
        {"MLK_IDLE_TTL": "2h"},
    ],
)
def test_nonsense_of_a_notebook_is_left_out_with_a_sentence(said: Any) -> None:
    assert resolve(Policy(), NOTHING, notebook=said, kernelspec=said)[0] == Policy()
    (sentence,) = ignored(notebook=said)
    assert "notebook" in sentence and "ignored" in sentence and sentence.endswith((".", "?")) and len(sentence) < 300


def test_what_can_be_used_counts_beside_nonsense() -> None:
    policy, _ = resolve(Policy(), NOTHING, notebook={"ttl": "soon", "input_ttl": 1800, "gpu_ttl": None})
    assert policy == Policy(input_ttl_s=1800)


@pytest.mark.parametrize("said", [{"server_ttl": "10m"}, {"mode": "off"}, {"input_ttl": "1h"}])
def test_a_setting_that_no_person_can_make_is_left_out(said: dict[str, str]) -> None:
    assert resolve(Policy(), NOTHING, setting=said)[0] == Policy() and len(ignored(setting=said)) == 1


def test_a_warning_fits_what_a_notebook_shortens_and_what_it_lengthens() -> None:
    policy, sources = resolve(Policy(warn_s=600), NOTHING, notebook={"ttl": "2m"})
    assert (policy.warn_s, sources["MLK_IDLE_WARN"]) == (30, "fitted")
    found = configured({"MLK_IDLE_TTL": "60", "MLK_IDLE_TTL_MAX": "4h"})
    policy, sources = resolve(found.policy, found.ceilings, notebook={"ttl": "4h"}, given=found.sources)
    assert (policy.ttl_s, policy.warn_s, sources["MLK_IDLE_WARN"]) == (4 * HOUR, 300, "default")
    chosen = configured({"MLK_IDLE_WARN": "1m", "MLK_IDLE_TTL": "10m", "MLK_IDLE_TTL_MAX": "4h"})
    policy, sources = resolve(chosen.policy, chosen.ceilings, notebook={"ttl": "4h"}, given=chosen.sources)
    assert (policy.warn_s, sources["MLK_IDLE_WARN"]) == (60, "MLK_IDLE_WARN")


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        ({"mlk": {"idle": {"ttl": "2h"}}}, {"ttl": "2h"}),
        ({"mlk": {}}, None),
        ({"mlk": "x"}, None),
        ({"mlk": {"idle": 7}}, 7),
        ({}, None),
        (None, None),
        ([], None),
    ],
)
def test_metadata_may_hold_anything(metadata: object, said: object) -> None:
    assert of_metadata(metadata) == said


def test_no_ceiling_is_implied_by_what_nobody_set() -> None:
    assert configured({}).ceilings == NOTHING
    assert configured({"MLK_IDLE_TTL": "1h", "MLK_IDLE_GPU_TTL_MAX": "2h"}).ceilings == Ceilings(HOUR, 2 * HOUR)


def wanted() -> st.SearchStrategy[dict[str, Any]]:
    keys = st.sampled_from(
        ["ttl", "gpu_ttl", "busy_silent_ttl", "input_ttl", "max_age", "warn", "mode", "cpu_pct", "x"]
    )
    plain = st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5)
    lengths = st.sampled_from(["0", "10", "5m", "2h", "400d", "off", "shadow", "enforce"])
    return st.dictionaries(keys, plain | lengths, max_size=6)


@given(wanted(), wanted(), wanted(), st.sampled_from([{}, {"MLK_IDLE_TTL": "10m"}, {"MLK_IDLE_GPU_TTL_MAX": "2h"}]))
def test_nobody_gets_over_a_ceiling_and_every_warning_comes_within_its_limit(
    kernelspec: Any, notebook: Any, setting: Any, env: dict[str, str]
) -> None:
    found = configured({**env, "MLK_IDLE_MODE": "shadow"})
    policy, _ = resolve(found.policy, found.ceilings, kernelspec=kernelspec, notebook=notebook, setting=setting)
    assert policy.mode in ("off", "shadow") and policy.cpu_pct == 2.0
    if "MLK_IDLE_TTL" in env:
        assert 0 < policy.ttl_s <= 600
    if "MLK_IDLE_GPU_TTL_MAX" in env:
        assert 0 < policy.gpu_ttl_s <= 2 * HOUR
    limits = (policy.ttl_s, policy.gpu_ttl_s, policy.busy_silent_ttl_s, policy.input_ttl_s, policy.max_age_s)
    assert all(policy.warn_s < limit for limit in limits if limit)
