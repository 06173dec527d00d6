# %%
import json
import os

import lightgbm
import numpy as np

import mlk_jupyter

rank, ranks, port = mlk_jupyter.rank(), mlk_jupyter.world_size(), int(os.environ["MASTER_PORT"])
machines = ",".join(f"127.0.0.1:{port + number}" for number in range(ranks))

# %%
values = np.random.default_rng(rank).normal(size=(400, 4))
network = {"machines": machines, "num_machines": ranks, "local_listen_port": port + rank, "time_out": 2}
options = {"objective": "regression", "tree_learner": "data", "num_threads": 1, "verbose": -1, "pre_partition": True}
booster = lightgbm.train({**options, **network}, lightgbm.Dataset(values, values.sum(axis=1)), num_boost_round=3)
trees = booster.model_to_string().partition("parameters:")[0]
print("REPORT", json.dumps({"rank": rank, "trees": booster.num_trees(), "model": trees}))
