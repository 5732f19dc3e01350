"""Lightning's Trainer with everything that costs time and can be left out, left out."""

from __future__ import annotations

import logging
import warnings

import lightning
import torch
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.contest import torch_models
from benchmarks.contest.task import Array, Workload
from benchmarks.contest.turns import Watch, serve

warnings.filterwarnings("ignore")
logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)


class Module(lightning.LightningModule):
    def __init__(self, work: Workload, model: torch.nn.Module) -> None:
        super().__init__()
        self.model, self.criterion = model, torch_models.criterion(work)
        self.made = torch_models.optimizer(work, model)

    def training_step(self, batch: list[Tensor], _: int) -> Tensor:
        return self.criterion(self.model(batch[0]), batch[1])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return self.made  # the same at every fit, so that its moments go on


class Stop(lightning.Callback):
    def __init__(self, watch: Watch) -> None:
        self.watch = watch

    def on_train_start(self, *_: object) -> None:
        self.watch.begin()

    def on_train_batch_end(self, trainer: lightning.Trainer, *_: object) -> None:
        trainer.should_stop = self.watch.over()


class Fit:
    def __init__(self, work: Workload, x: Array, y: Array, weights: list[Array]) -> None:
        torch.set_num_threads(1)
        self.work, self.x, self.y = work, torch.from_numpy(x), torch.from_numpy(y)
        self.module = Module(work, torch_models.network(work, weights))
        self.loader = DataLoader(TensorDataset(self.x, self.y), batch_size=work.batch, shuffle=True)

    def train(self, watch: Watch) -> None:
        trainer = lightning.Trainer(
            max_epochs=-1, logger=False, enable_checkpointing=False, enable_progress_bar=False, accelerator="cpu",
            enable_model_summary=False, callbacks=[Stop(watch)], devices=1,
        )  # fmt: skip
        trainer.fit(self.module, self.loader)

    def loss(self) -> float:
        return torch_models.loss_on_all(self.work, self.module.model, self.x, self.y)


if __name__ == "__main__":
    serve(Fit)
