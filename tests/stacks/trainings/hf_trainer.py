# %%
import json

import torch
from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainingArguments

import mlk_jupyter

config = BertConfig(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, vocab_size=50)
data = [{"input_ids": torch.randint(0, 50, (8,)), "labels": torch.tensor(number % 2)} for number in range(32)]
arguments = TrainingArguments(
    output_dir=mlk_jupyter.checkpoint_dir(),
    num_train_epochs=1,
    per_device_train_batch_size=4,
    logging_steps=1,
    use_cpu=True,
    report_to="mlflow",
    disable_tqdm=True,
)
trainer = Trainer(model=BertForSequenceClassification(config), args=arguments, train_dataset=data, eval_dataset=data)

# %%
trained = trainer.train()

# %%
trainer.evaluate()
report = {"rank": arguments.process_index, "ranks": arguments.world_size, "steps": trained.global_step}
print("REPORT", json.dumps(report))
