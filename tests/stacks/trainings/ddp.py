# %%
import json

import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from torch.nn.parallel import DistributedDataParallel

import mlk_jupyter

dist.init_process_group("gloo")
rank, ranks = dist.get_rank(), dist.get_world_size()

# %%
torch.manual_seed(rank)
model = DistributedDataParallel(torch.nn.Linear(4, 1))
optimizer = torch.optim.SGD(model.parameters(), 0.1)
for step in range(5):
    loss = (model(torch.randn(8, 4)) - 1).pow(2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    mlk_jupyter.log_metric("loss", loss.item(), step=step)

# %%
folder = mlk_jupyter.checkpoint_dir() + "/ddp"
dcp.save({"model": model.state_dict()}, checkpoint_id=folder)
weight = model.module.weight.detach().clone()
with torch.no_grad():
    model.module.weight.zero_()
state = {"model": model.state_dict()}
dcp.load(state, checkpoint_id=folder)
model.load_state_dict(state["model"])
weights = [torch.empty_like(weight) for _ in range(ranks)]
dist.all_gather(weights, model.module.weight.detach())
dist.destroy_process_group()
same = all(torch.equal(weight, other) for other in weights)
print("REPORT", json.dumps({"rank": rank, "ranks": ranks, "same": same}))
