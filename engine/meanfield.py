"""What theory expects of a gradient on its way back through a plain stack of layers whose weights are still random.

In a wide layer each sum h = W·a + b is a Gaussian of mean 0 (over the random weights), so that its variance q says
all about it, and layer by layer (Poole et al. 2016; Schoenholz et al. 2017)

    q_l       = fan_in · Var(W) · E[φ(√q_(l−1) z)²] + Var(b),                    z ~ N(0, 1)
    ‖δ_l‖²    = ‖δ_(l+1)‖² · fan_in_(l+1) · Var(W_(l+1)) · E[φ'(√q_l z)²],       δ = ∂L/∂h
    ‖∂L/∂W‖²  ∝ ‖δ_l‖² · (fan_in · E[φ(√q_(l−1) z)²] + 1 for the bias)

with each layer's own fan_in, so that widths may differ. The same holds for convolutions (Xiao et al. 2018). No torch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from builder.spec import Shape

Array = NDArray[np.float64]
Params = Mapping[str, Any]
REACH, NODES = 9.0, 4000  # the Gaussian is integrated over ±REACH standard deviations; no node on a kink at 0
SELU_SCALE, SELU_ALPHA = 1.0507009873554805, 1.6732632423543772  # Klambauer et al. 2017


def _elu(x: Array, alpha: float) -> Array:
    y: Array = np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))
    return y


def _sigmoid(x: Array) -> Array:
    y: Array = 0.5 * (1 + np.tanh(x / 2))
    return y


def _gelu(x: Array, params: Params) -> Array:
    if params.get("approximate") == "tanh":
        return x * _sigmoid(2 * math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))
    erf: Array = np.array([math.erf(v / math.sqrt(2)) for v in x])
    return 0.5 * x * (1 + erf)


# φ by the type of the layer; its slope is taken from its values.
ACTIVATIONS: dict[str, Callable[[Array, Params], Array]] = {
    "Identity": lambda x, _p: x,
    "ReLU": lambda x, _p: np.maximum(x, 0),
    "LeakyReLU": lambda x, p: np.where(x > 0, x, p["negative_slope"] * x),
    "PReLU": lambda x, p: np.where(x > 0, x, p["slope"] * x),
    "ReLU6": lambda x, _p: np.clip(x, 0, 6),
    "ELU": lambda x, p: _elu(x, p["alpha"]),
    "CELU": lambda x, p: p["alpha"] * _elu(x / p["alpha"], 1.0),
    "SELU": lambda x, _p: SELU_SCALE * _elu(x, SELU_ALPHA),
    "GELU": _gelu,
    "SiLU": lambda x, _p: x * _sigmoid(x),
    "Mish": lambda x, _p: x * np.tanh(np.logaddexp(0, x)),
    "Softplus": lambda x, p: np.logaddexp(0, p["beta"] * x) / p["beta"],
    "Sigmoid": lambda x, _p: _sigmoid(x),
    "Hardsigmoid": lambda x, _p: np.clip(x / 6 + 0.5, 0, 1),
    "Tanh": lambda x, _p: np.tanh(x),
    "Hardtanh": lambda x, p: np.clip(x, p["min_val"], p["max_val"]),
    "Softsign": lambda x, _p: x / (1 + np.abs(x)),
}


@dataclass(frozen=True)
class Stage:
    """A dense layer or a convolution with weights of ``shape`` (out, in, *kernel), and what reads it: ``activation``
    with its complete params, then a dropout that keeps the share ``keep``. Variances are those at the start."""

    node: str
    shape: Shape
    weight_variance: float
    bias_variance: float
    biased: bool
    activation: str = "Identity"
    params: tuple[tuple[str, Any], ...] = ()
    keep: float = 1.0

    @property
    def fan_in(self) -> int:
        """The number of inputs of one sum."""
        return math.prod(self.shape[1:])


def weight_variance(init: str, shape: Shape) -> float:
    """Of a weight (out, in, *kernel) filled by the scheme ``init`` of builder/catalog/initialisation.py."""
    fan_in, fan_out = math.prod(shape[1:]), shape[0] * math.prod(shape[2:])
    return {
        "pytorch": 1 / (3 * fan_in),  # uniform in ±1/√fan_in
        "xavier_uniform": 2 / (fan_in + fan_out),
        "xavier_normal": 2 / (fan_in + fan_out),
        "kaiming_uniform": 2 / fan_in,
        "kaiming_normal": 2 / fan_in,
        "lecun_normal": 1 / fan_in,
        "orthogonal": 1 / max(shape[0], fan_in),
        "normal_small": 0.01**2,
        "normal_large": 1.0,
        "zeros": 0.0,
    }[init]


def bias_variance(init: str, shape: Shape) -> float:
    """Torch draws biases from ±1/√fan_in too; with a scheme of ours they start at zero."""
    return weight_variance(init, shape) if init == "pytorch" else 0.0


@cache
def moments(activation: str, params: tuple[tuple[str, Any], ...], q: float) -> tuple[float, float]:
    """(E[φ(√q z)²], E[φ'(√q z)²]) for z ~ N(0, 1).

    The nodes z = s·sinh(t) stand close together where φ bends, |z| < s = 1/(1 + √q), and reach far into the tails.
    """
    phi, options, q = ACTIVATIONS[activation], dict(params), max(q, 1e-24)  # weights of zero: the limit
    s = 1 / (1 + math.sqrt(q))
    t = np.linspace(-np.arcsinh(REACH / s), np.arcsinh(REACH / s), NODES)
    z = s * np.sinh(t)
    mass = np.exp(-(z**2) / 2) * s * np.cosh(t)
    mass /= mass.sum()
    x = math.sqrt(q) * z
    h = 1e-6 * (min(1.0, math.sqrt(q)) + np.abs(x))
    slope = (phi(x + h, options) - phi(x - h, options)) / (2 * h)
    return float(mass @ phi(x, options) ** 2), float(mass @ slope**2)


def gradient_norms(stages: Sequence[Stage], input_square: float = 1.0) -> list[float]:
    """Expected ‖∂L/∂W‖ of each stage, as a share of the last one's. ``input_square`` is the mean of x² of the data."""
    squares = _signals(stages, input_square)[0]
    deltas = _deltas(stages, input_square)
    norms = [d * math.sqrt(s.fan_in * a + s.biased) for s, d, a in zip(stages, deltas, squares, strict=True)]
    return [n / norms[-1] if norms[-1] else 0.0 for n in norms]


def _deltas(stages: Sequence[Stage], input_square: float) -> list[float]:
    """‖δ_l‖ as shares of the last one's."""
    _, slopes = _signals(stages, input_square)
    found = [1.0]
    for stage, slope in zip(reversed(stages[1:]), reversed(slopes[:-1]), strict=True):
        found.append(found[-1] * math.sqrt(stage.fan_in * stage.weight_variance * slope))
    return found[::-1]


def _signals(stages: Sequence[Stage], input_square: float) -> tuple[list[float], list[float]]:
    """Mean square of what each stage reads, and mean square of the slope of its activation."""
    squares, slopes = [input_square], []
    for stage in stages:
        q = stage.fan_in * stage.weight_variance * squares[-1] + stage.bias_variance
        square, slope = moments(stage.activation, stage.params, float(f"{q:.9g}"))
        squares.append(square / stage.keep)
        slopes.append(slope / stage.keep)
    return squares[:-1], slopes


def slope(norms: Sequence[float]) -> float:
    """Factor by which ``norms``, in the order of the layers, grow from one to the next: the line of least squares
    through their logarithms. 1 where fewer than two are above zero."""
    places = [i for i, n in enumerate(norms) if n > 0]
    if len(places) < 2:
        return 1.0
    logs = np.log([norms[i] for i in places])
    return float(np.exp(np.polyfit(places, logs, 1)[0]))
