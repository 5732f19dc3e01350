"""The measurements with passes of their own, made anew for each training. (They import torch; readings do not.)"""

from __future__ import annotations

from engine.quantities.curvature import Sharpness
from engine.quantities.jacobian import JacobianGain
from engine.quantities.noise import Examples, NoiseScale
from engine.quantities.study import Study

STUDIES: tuple[type[Study], ...] = (NoiseScale, Sharpness, JacobianGain, Examples)
