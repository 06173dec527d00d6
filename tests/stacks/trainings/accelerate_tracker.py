# %%
import json

import torch
from accelerate import Accelerator

import mlk_jupyter

accelerator = Accelerator(cpu=True, log_with="mlflow", project_dir=mlk_jupyter.checkpoint_dir())
accelerator.init_trackers("named in code", config={"lr": 0.1})

# %%
layer = torch.nn.Linear(4, 1)
model, optimizer = accelerator.prepare(layer, torch.optim.SGD(layer.parameters(), 0.1))
for step in range(3):
    loss = model(torch.randn(8, 4)).pow(2).mean()
    optimizer.zero_grad()
    accelerator.backward(loss)
    optimizer.step()
    accelerator.log({"loss": loss.item()}, step=step)
accelerator.save_state(mlk_jupyter.checkpoint_dir() + "/state")
ranks = accelerator.gather(torch.tensor([accelerator.process_index])).tolist()
accelerator.end_training()
print("REPORT", json.dumps({"rank": accelerator.process_index, "seen": ranks}))
