# %%
import json

import lightning
import mlflow
import torch
from lightning.pytorch.loggers import MLFlowLogger
from torch.utils.data import DataLoader, TensorDataset

import mlk_jupyter


class Model(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(4, 1)

    def training_step(self, batch, index):
        loss = torch.nn.functional.mse_loss(self.layer(batch[0]), batch[1])
        self.log("train_loss", loss)
        return loss

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.01)


def train(logger):
    values = torch.randn(32, 4)
    data = DataLoader(TensorDataset(values, values.sum(1, keepdim=True)), batch_size=8)
    quiet = {"enable_progress_bar": False, "enable_checkpointing": False, "log_every_n_steps": 1}
    ranks = mlk_jupyter.world_size()
    trainer = lightning.Trainer(max_epochs=2, accelerator="cpu", devices=ranks, strategy="ddp", logger=logger, **quiet)
    trainer.fit(Model(), data)


# %%
train(MLFlowLogger(experiment_name="named in code"))

# %%
mlflow.pytorch.autolog(log_models=False)
train(False)
print("REPORT", json.dumps({"rank": mlk_jupyter.rank()}))
