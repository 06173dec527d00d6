# %%
import json

import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from torch.distributed.checkpoint.state_dict import get_model_state_dict, set_model_state_dict
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard

import mlk_jupyter

mesh = init_device_mesh("cpu", (mlk_jupyter.world_size(),))

# %%
torch.manual_seed(0)
model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 1))
for layer in model:
    fully_shard(layer, mesh=mesh)
fully_shard(model, mesh=mesh)
optimizer = torch.optim.SGD(model.parameters(), 0.1)
for _ in range(3):
    loss = (model(torch.randn(8, 4)) - 1).pow(2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

# %%
folder = mlk_jupyter.checkpoint_dir() + "/fsdp"
before = model[0].weight.full_tensor().clone()
dcp.save(get_model_state_dict(model), checkpoint_id=folder)
with torch.no_grad():
    for parameter in model.parameters():
        parameter.zero_()
state = get_model_state_dict(model)
dcp.load(state, checkpoint_id=folder)
set_model_state_dict(model, state)
rows = model[0].weight.to_local().shape[0]
same = torch.equal(before, model[0].weight.full_tensor())
print("REPORT", json.dumps({"rank": dist.get_rank(), "ranks": dist.get_world_size(), "rows": rows, "same": same}))
dist.destroy_process_group()
