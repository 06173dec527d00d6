# %%
import hashlib
import json
import os

import numpy as np
import xgboost
from xgboost import collective
from xgboost.tracker import RabitTracker

import mlk_jupyter

rank, ranks = mlk_jupyter.rank(), mlk_jupyter.world_size()
host, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
if rank == 0:
    tracker = RabitTracker(n_workers=ranks, host_ip=host, port=port)
    tracker.start()

# %%
with collective.CommunicatorContext(
    dmlc_communicator="rabit", dmlc_tracker_uri=host, dmlc_tracker_port=port, dmlc_task_id=str(rank), dmlc_retry=20
):
    random = np.random.default_rng(rank)
    values = random.normal(size=(200, 4))
    data = xgboost.DMatrix(values, label=values.sum(axis=1))
    booster = xgboost.train({"nthread": 1, "tree_method": "hist"}, data, num_boost_round=3)
    model = hashlib.sha256(booster.save_raw("json")).hexdigest()
    report = {"rank": collective.get_rank(), "ranks": collective.get_world_size(), "model": model}
if rank == 0:
    tracker.wait_for(timeout=60)
print("REPORT", json.dumps(report))
