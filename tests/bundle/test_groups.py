"""Code that would train once in each of several ranks is told of before it runs, with the line to write instead."""

from __future__ import annotations

import pytest

from mlk_jupyter.bundle.code import nodes, tree
from mlk_jupyter.bundle.groups import groups_started


def said(source: str, ranks: int = 2) -> list[str]:
    return groups_started(nodes([tree(source)]), [source], ranks)


@pytest.mark.parametrize(
    ("source", "what", "instead"),
    [
        ("L.Trainer(strategy='ddp_notebook')", 'strategy="ddp_notebook"', '`strategy="ddp"`'),
        ("strategy = 'ddp_spawn_find_unused_parameters_true'", "ddp_spawn", '"ddp_find_unused_parameters_true"'),
        ("notebook_launcher(train, (model, 3), num_processes=2)", "`notebook_launcher`", "`train(model, 3)`"),
        ("accelerate.notebook_launcher(train, args=args, num_processes=n)", "notebook_launcher", "`train(*args)`"),
        ("mp.spawn(train, args=(2,), nprocs=2)", "`spawn`", "`train(mlk_jupyter.rank(), 2)`"),
        ("torch.multiprocessing.spawn(fn=train, nprocs=world)", "`spawn`", "`train(mlk_jupyter.rank())`"),
        ("!torchrun --nproc-per-node 2 train.py", "`!torchrun`", "mlk run"),
        ("x = 1\n! python -m torch.distributed.run train.py", "`!torch.distributed.run`", "mlk run"),
        ("!accelerate launch train.py", "`!accelerate launch`", "mlk run"),
    ],
)
def test_a_group_in_each_rank_is_told_with_what_to_write_instead(source: str, what: str, instead: str) -> None:
    (sentence,) = said(source)
    assert what in sentence and instead in sentence and "train 2 times" in sentence
    assert said(source, ranks=1) == []


@pytest.mark.parametrize(
    "source",
    [
        "L.Trainer(strategy='ddp')",
        "notebook_launcher(train, num_processes=1)",
        "mp.spawn(train, nprocs=1)",
        "pexpect.spawn('bash')",
        "seeds.spawn(count)",
        "print('run !torchrun yourself')",
    ],
)
def test_what_starts_no_group_is_not_told_of(source: str) -> None:
    assert said(source) == []


def test_the_same_is_said_once() -> None:
    assert len(said("notebook_launcher(train, num_processes=2)\nnotebook_launcher(train, num_processes=2)")) == 1
