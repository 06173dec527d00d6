# %%
import json

import lightning
import torch

import mlk_jupyter

fabric = lightning.Fabric(accelerator="cpu", devices=mlk_jupyter.world_size(), strategy="ddp")
fabric.launch()

# %%
layer = torch.nn.Linear(4, 1)
model, optimizer = fabric.setup(layer, torch.optim.SGD(layer.parameters(), 0.01))
for _ in range(3):
    loss = model(torch.randn(8, 4)).pow(2).mean()
    optimizer.zero_grad()
    fabric.backward(loss)
    optimizer.step()
total = fabric.all_reduce(torch.tensor(float(fabric.global_rank)), reduce_op="sum")
print("REPORT", json.dumps({"rank": fabric.global_rank, "ranks": fabric.world_size, "total": total.item()}))
