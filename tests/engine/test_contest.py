"""The contest of benchmarks/peers.py is fair where that can be tested: all train the same network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.contest import ours, task, torch_models
from engine.config import DataRef
from engine.data import load


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("contest")
    digits = load(DataRef("digits"))
    for name in task.WORKLOADS:
        task.write(made / f"{name}.npz", name, (digits.x_train[:, 0], digits.y_train))
    return made


@pytest.mark.parametrize("work", task.WORKLOADS.values(), ids=lambda w: w.name)
class TestContest:
    def test_layerloom_and_plain_pytorch_compute_the_same_from_the_same_weights(
        self, work: task.Workload, folder: Path
    ):
        x, y, weights = task.read(folder / f"{work.name}.npz")
        drawn = ours.Ours(work, x, y, weights, "eager").training.model
        written = torch_models.network(work, weights)
        some = torch.from_numpy(x[:9])
        assert torch.allclose(drawn(some), written(some), atol=1e-5)

    def test_every_batch_is_whole(self, work: task.Workload, folder: Path):
        x, y, _ = task.read(folder / f"{work.name}.npz")
        assert len(x) % work.batch == 0
        assert len(x) == len(y)

    def test_the_arrays_are_the_same_whenever_they_are_made(self, work: task.Workload, folder: Path, tmp_path: Path):
        digits = load(DataRef("digits"))
        task.write(tmp_path / "again.npz", work.name, (digits.x_train[:, 0], digits.y_train))
        first, again = task.read(folder / f"{work.name}.npz"), task.read(tmp_path / "again.npz")
        assert all(np.array_equal(a, b) for a, b in zip(first[2], again[2], strict=True))
        assert np.array_equal(first[0], again[0])
