"""What is measured about a network. A quantity says what it needs; observe.py measures each thing needed once.

QUANTITIES and HISTOGRAM are always watched. READINGS, read off a watched step, and the STUDIES of studies.py, passes of
their own over a frozen copy, run when asked for; measuring.py sees to them.
"""

from __future__ import annotations

from engine.quantities.activations import ActivationMean, ActivationStd, DeadShare, SaturatedShare
from engine.quantities.directions import GradientCosine, PenaltyParts
from engine.quantities.histogram import ActivationHistogram, GradientHistogram, UpdateHistogram
from engine.quantities.parameters import GradientNorm, UpdateRatio, WeightNorm
from engine.quantities.quantity import Quantity, Reading
from engine.quantities.units import DuplicateUnits, EffectiveRank

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
READINGS: tuple[Reading, ...] = (
    GradientCosine(),
    PenaltyParts(),
    EffectiveRank(),
    DuplicateUnits(),
    GradientHistogram(),
    UpdateHistogram(),
)
