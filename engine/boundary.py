"""What the network says at every point of the plane, for data with two features: the decision boundary."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from engine.batches import resident
from engine.data.spec import Dataset
from engine.evaluate import evaluation_mode, finite
from engine.losses import Loss, align

SIDE = 48
MARGIN = 0.1  # of the range of the data, on each side


class Boundary:
    """A picture of SIDE × SIDE points over the data's own range, in the units of the source."""

    def __init__(self, model: nn.Module, loss: Loss, data: Dataset, device: torch.device) -> None:
        self.model, self.loss, self.data = model, loss, data
        raw = data.scaler.inverse(np.concatenate([data.x_train, data.x_val]))
        low, high = raw.min(0), raw.max(0)
        margin = MARGIN * (high - low)
        self.low, self.high = low - margin, high + margin
        x, y = (np.linspace(self.low[i], self.high[i], SIDE) for i in (0, 1))
        grid = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)  # row 0 is at y low
        self.grid = resident(data.scaler.apply(grid), device)

    @staticmethod
    def fits(data: Dataset) -> bool:
        return data.kind == "points2d" and data.x_train.shape[1:] == (2,)

    def body(self) -> dict[str, Any] | None:
        """The fields of a "boundary" event; None while the output is not finite."""
        with evaluation_mode(self.model):
            output = align(self.model(self.grid), self.data.outputs)
            if not bool(output.isfinite().all()):
                return None
            values, extra = self._picture(output)
        z = base64.b64encode(values.astype(np.uint8).tobytes()).decode()
        ranges = [[finite(float(a)), finite(float(b))] for a, b in zip(self.low, self.high, strict=True)]
        return {"x": ranges[0], "y": ranges[1], "n": SIDE, "z": z, **extra}

    def _picture(self, output: torch.Tensor) -> tuple[NDArray[Any], dict[str, Any]]:
        if self.data.task == "classification" and self.data.outputs == 2:
            share = self.loss.share(output)[:, 1]
            return (share * 255).round().cpu().numpy(), {"mode": "share"}
        if self.data.task == "classification":
            return output.argmax(1).cpu().numpy(), {"mode": "class"}
        z = output[:, 0].cpu().double().numpy()
        scaler = self.data.target_scaler
        z = z if scaler is None else z * scaler.std[0] + scaler.mean[0]
        low, high = float(z.min()), float(z.max())
        scaled = np.rint((z - low) / (high - low or 1.0) * 255)
        return scaled, {"mode": "value", "zlo": finite(low), "zhi": finite(high)}
