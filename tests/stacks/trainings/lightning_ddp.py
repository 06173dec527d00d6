# %%
import json
from pathlib import Path

import lightning
import torch
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


# %%
values = torch.randn(64, 4)
data = DataLoader(TensorDataset(values, values.sum(1, keepdim=True)), batch_size=8)
folder = Path(mlk_jupyter.checkpoint_dir())
trainer = lightning.Trainer(
    max_epochs=1,
    accelerator="cpu",
    devices=mlk_jupyter.world_size(),
    strategy="ddp",
    logger=False,
    enable_progress_bar=False,
    default_root_dir=folder,
)
trainer.fit(Model(), data)

# %%
trainer.strategy.barrier()
report = {
    "rank": trainer.global_rank,
    "ranks": trainer.world_size,
    "zero": trainer.is_global_zero,
    "batches": trainer.num_training_batches,
    "checkpoints": len(list(folder.rglob("*.ckpt"))),
}
print("REPORT", json.dumps(report))
