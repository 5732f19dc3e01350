"""What is measured about a layer. A quantity says what it needs; observe.py measures each thing needed once."""

from __future__ import annotations

from engine.quantities.activations import ActivationMean, ActivationStd, DeadShare, SaturatedShare
from engine.quantities.histogram import ActivationHistogram
from engine.quantities.parameters import GradientNorm, UpdateRatio, WeightNorm
from engine.quantities.quantity import Quantity

QUANTITIES: tuple[Quantity, ...] = (
    GradientNorm(),
    WeightNorm(),
    UpdateRatio(),
    ActivationMean(),
    ActivationStd(),
    DeadShare(),
    SaturatedShare(),
)  # the lists of a "layers" event
HISTOGRAM = ActivationHistogram()  # the body of a "hist" event
