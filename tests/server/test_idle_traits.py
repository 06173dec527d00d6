"""The policy for idle kernels in Jupyter's configuration, and a server that refuses to start with nonsense."""

from __future__ import annotations

import logging
import subprocess
import sys
from typing import Any

import pytest
from traitlets.config import Config

from mlk_jupyter.idle.policy import VALUES, configured
from mlk_jupyter.server.app import MlkJupyterApp
from mlk_jupyter.server.idle_traits import IdleTraits


def app_with(**traits: Any) -> MlkJupyterApp:
    return MlkJupyterApp(config=Config({"MlkJupyterApp": traits}))


def test_there_is_one_trait_a_variable_and_its_help_names_it() -> None:
    traits = IdleTraits.class_traits(config=True)
    assert set(traits) == {f"idle_{value.key}" for value in VALUES}
    assert all(f"{value.variable} in the environment" in traits[f"idle_{value.key}"].help for value in VALUES)


def test_traits_are_texts_numbers_and_switches_and_only_those_that_are_set_are_given() -> None:
    app = app_with(idle_ttl="2h", idle_gpu_ttl=1800, idle_max_age=0, idle_audit_log=True, idle_cpu_pct=2.5)
    policy, _, sources = configured({}, app.idle_traits())
    assert (policy.ttl_s, policy.gpu_ttl_s, policy.audit_log, policy.cpu_pct) == (7200, 1800, True, 2.5)
    assert sources["MLK_IDLE_MAX_AGE"] == "MlkJupyterApp.idle_max_age" and sources["MLK_IDLE_MODE"] == "default"
    assert app_with().idle_traits() == {}


@pytest.mark.parametrize(
    ("env", "traits", "named"),
    [
        ({"MLK_IDLE_TTL": "soon"}, {}, "MLK_IDLE_TTL is 'soon'"),
        ({"MLK_IDLE_TLL": "2h"}, {}, "Did you mean MLK_IDLE_TTL?"),
        ({"MLK_PRICE_PER_HOUR": "free"}, {}, "MLK_PRICE_PER_HOUR"),
        ({}, {"idle_warn": "1d"}, "MlkJupyterApp.idle_warn"),
        ({}, {"idle_mode": True}, "MlkJupyterApp.idle_mode is '1'"),
    ],
)
def test_a_server_does_not_start_with_nonsense_and_says_what_is_wrong(
    env: dict[str, str],
    traits: dict[str, Any],
    named: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    for name, text in env.items():
        monkeypatch.setenv(name, text)
    app = app_with(**traits)
    logger = logging.getLogger("test of a server's log")
    app.log = logger
    with caplog.at_level(logging.CRITICAL, logger=logger.name), pytest.raises(SystemExit) as ended:
        app.initialize_settings()
    assert ended.value.code == 1 and named in caplog.text


def test_nothing_of_idle_kernels_is_loaded_where_nobody_set_anything() -> None:
    code = (
        "import sys, mlk_jupyter; (point,) = mlk_jupyter._jupyter_server_extension_points()\n"
        "app = point['app'](); app.initialize_settings()\n"
        "print([name for name in sys.modules if name.startswith('mlk_jupyter.idle')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"
