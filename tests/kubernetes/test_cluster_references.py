"""What a job refers to: volumes, queues, other objects by name."""

from __future__ import annotations

from typing import Any

import pytest
from preflight_cases import (
    claim,
    facts,
    found,
    job,
    look,
    node,
    pod,
    queue,
)

from mlk_jupyter.backends.kubernetes.rights.discovery import Served
from mlk_jupyter.model.api import Level


@pytest.mark.parametrize(
    ("modes", "read_only", "workers", "level"),
    [
        (["ReadWriteMany"], False, 4, None),
        (["ReadOnlyMany"], True, 4, None),
        (["ReadOnlyMany"], False, 1, Level.ERROR),
        (["ReadWriteOnce"], False, 1, None),
        (["ReadWriteOnce"], False, 2, Level.WARNING),
        (["ReadWriteOnce"], True, 2, Level.WARNING),
        (["ReadWriteOnce", "ReadOnlyMany"], True, 2, None),
        (["ReadWriteOncePod"], False, 1, None),
        (["ReadWriteOncePod"], False, 2, Level.ERROR),
    ],
)
def test_a_volume_has_to_be_mounted_by_all_workers(
    modes: list[str], read_only: bool, workers: int, level: Level | None
) -> None:
    spec = job({"volumes": [{"path": "/data", "claim": "data", "read_only": read_only}]}, workers=workers)
    findings = look(spec, facts(claims=[claim("data", *modes)])).findings
    assert [finding.level for finding in findings] == ([] if level is None else [level])


def test_workers_on_nodes_of_their_own_cannot_share_a_volume_of_one_node() -> None:
    spec = job({"checkpoints": "state", "one_worker_per_node": True}, workers=2)
    known = facts(claims=[claim("state", "ReadWriteOnce")], nodes=[node("a"), node("b")])
    finding = found(spec, known)["claim_one_node"]
    assert (finding.level, finding.field) == (Level.ERROR, "cluster.checkpoints")


def test_a_volume_that_the_notebook_holds_is_told_with_its_node() -> None:
    spec = job({"volumes": [{"path": "/data", "claim": "home"}]})
    known = facts(claims=[claim("home", "ReadWriteOnce")], pods=[pod("jupyter-ada", "node-a", claim="home")])
    assert "pod jupyter-ada on node node-a" in found(spec, known)["claim_in_use"].text


def test_a_claim_that_is_not_there_is_answered_with_those_there_are() -> None:
    finding = found(job({"checkpoints": "none-such"}), facts(claims=[claim("state", "ReadWriteMany")]))["no_claim"]
    assert "There are: state." in finding.text


@pytest.mark.parametrize(("phase", "code"), [("Pending", "claim_pending"), ("Lost", "claim_lost")])
def test_a_claim_without_storage_is_told(phase: str, code: str) -> None:
    assert code in found(job({"checkpoints": "state"}), facts(claims=[claim("state", "ReadWriteMany", phase=phase)]))


def test_a_secret_is_never_looked_for_and_that_is_said() -> None:
    finding = found(job({"env_from": [{"secret": "wandb", "key": "token", "name": "WANDB_KEY"}]}))["secret_unchecked"]
    assert finding.level is Level.NOTE
    assert "wandb" in finding.text


def test_what_is_referred_to_has_to_exist() -> None:
    spec = job({"env_from": [{"config_map": "settings"}], "service_account": "robot", "priority": "batch"})
    known = facts(config_maps={"settings": False}, service_account=False, priority_class=False)
    codes = {"no_config_map", "no_service_account", "no_priority_class"}
    assert codes <= set(found(spec, known))
    assert look(spec, facts(config_maps={"settings": True}, service_account=True, priority_class=True)).ok
    unknown = look(spec, facts(config_maps={"settings": None}))
    assert unknown.ok
    assert unknown.starts_now is None, "nobody knows the priority class"


@pytest.mark.parametrize(
    ("version", "level"), [("v1.30.0", Level.ERROR), ("v1.33.0", Level.WARNING), ("v1.36.0", None)]
)
def test_images_as_volumes_need_a_cluster_that_serves_them(version: str, level: Level | None) -> None:
    spec = job({"volumes": [{"path": "/models", "image": "registry.example/models:1"}]})
    findings = look(spec, facts(served=Served(version))).findings
    assert [finding.level for finding in findings] == ([] if level is None else [level])


@pytest.mark.parametrize(
    ("known", "code", "level"),
    [
        ({"served": Served("v1.36.0")}, "no_kueue", Level.ERROR),
        ({"queues": []}, "no_queue", Level.ERROR),
        ({"queues": None}, "queue_unchecked", Level.WARNING),
        ({"queues": [queue("research", spec={"stopPolicy": "Hold"})]}, "queue_held", Level.WARNING),
        (
            {
                "queues": [
                    queue(
                        "research", conditions=[{"type": "Active", "status": "False", "message": "ClusterQueue gone"}]
                    )
                ]
            },
            "queue_inactive",
            Level.WARNING,
        ),
        ({"queues": [queue("research", pendingWorkloads=3)]}, "queue_busy", Level.NOTE),
    ],
)
def test_a_queue_has_to_take_jobs(known: dict[str, Any], code: str, level: Level) -> None:
    assert found(job({"queue": "research"}), facts(**known))[code].level is level


def test_a_queue_decides_itself_when_a_job_starts() -> None:
    assert look(job({"queue": "research"}), facts(queues=[queue("research")])).starts_now is None


def test_retries_tell_what_they_need() -> None:
    spec = job({"retries": 3})
    assert set(found(spec, facts(served=Served("v1.36.0")))) == {"retries_from_here", "retries_without_checkpoints"}
    known = facts(claims=[claim("state", "ReadWriteMany")])
    assert look(job({"retries": 3, "checkpoints": "state"}), known, kind="jobset").findings == []
