"""Layers that work against overfitting: each disturbs the training, and does nothing in evaluation."""

from __future__ import annotations

from builder.catalog.rules import IMAGE, SIGNAL, needs_float, needs_layout
from builder.diagnostic import Diagnostic
from builder.spec import Inputs, LayerSpec, Param, Params, TensorSpec, call


def _share(default: float, help_: str) -> Param:
    return Param("p", "float", default, 0.0, 0.95, label="Share dropped", symbol="p", help=help_)


SIGMA = Param("sigma", "float", 0.1, 0.0, 10.0, label="Strength", symbol="σ", help="Standard deviation of the noise.")


def _dropout(
    layer: str, help_: str, p: Param, target: str = "", layout: tuple[str, ...] = (), **about: str
) -> LayerSpec:
    """A layer with share ``p``, which the engine's dropout knob turns while training."""

    def infer(_p: Params, xs: Inputs) -> TensorSpec | Diagnostic:
        x = xs[0]
        return needs_float(layer, x) or (needs_layout(layer, layout, x) if layout else None) or x

    return LayerSpec(
        layer,
        "Regularisation",
        help_,
        infer,
        params=(p,),
        module=lambda p, _xs: call(target or f"nn.{layer}", p["p"]),
        flops=lambda _p, _xs, _out: 0,
        summary="p = {p:g}",
        kind="dropout",
        **about,  # type: ignore[arg-type]
    )


def _noise(_p: Params, xs: Inputs) -> TensorSpec | Diagnostic:
    return needs_float("GaussianNoise", xs[0]) or xs[0]


LAYERS = (
    _dropout(
        "Dropout",
        "While training it sets a random share of the values to zero and scales up the rest, so that no unit can "
        "rely on another. In evaluation it does nothing.",
        _share(0.5, "Chance of each value to be zeroed."),
        keywords="regularization noise overfitting",
        formula="y = x·m / (1 − p), m = 0 with probability p, else 1",
        source="Srivastava et al. (2014), Dropout, JMLR 15",
    ),
    _dropout(
        "Dropout1d",
        "While training it sets whole channels of a signal to zero. Neighbouring steps are alike, so that single "
        "zeros would hide little.",
        _share(0.5, "Chance of each channel to be zeroed."),
        layout=SIGNAL,
        keywords="spatial dropout channel regularization signal",
        formula="y[c] = x[c]·m[c] / (1 − p), m[c] = 0 with probability p, else 1",
        source="Tompson et al. (2015), Efficient Object Localization Using Convolutional Networks, CVPR",
    ),
    _dropout(
        "Dropout2d",
        "While training it sets whole channels of an image to zero. Neighbouring pixels are alike, so that single "
        "zeros would hide little.",
        _share(0.5, "Chance of each channel to be zeroed."),
        layout=IMAGE,
        keywords="spatial dropout channel regularization image",
        formula="y[c] = x[c]·m[c] / (1 − p), m[c] = 0 with probability p, else 1",
        source="Tompson et al. (2015), Efficient Object Localization Using Convolutional Networks, CVPR",
    ),
    _dropout(
        "AlphaDropout",
        "Dropout for SELU networks: dropped values are set to SELU's lower end, and mean and variance are kept.",
        _share(0.5, "Chance of each value to be dropped."),
        keywords="selu self-normalizing regularization",
        formula="y = a·(x·m + α′·(1 − m)) + b, with a and b that keep mean 0 and variance 1",
        source="Klambauer et al. (2017), Self-Normalizing Neural Networks, NeurIPS",
    ),
    _dropout(
        "StochasticDepth",
        "While training it drops the whole branch for some examples, and scales it up for the others. Put it at the "
        "end of a residual branch, just before Add: then each example goes through a network of another depth.",
        _share(0.1, "Chance of each example to skip the branch."),
        target="modules.StochasticDepth",
        keywords="drop path droppath residual regularization",
        formula="y = x·m / (1 − p), one m per example, 0 with probability p, else 1",
        source="Huang et al. (2016), Deep Networks with Stochastic Depth, ECCV",
    ),
    LayerSpec(
        "GaussianNoise",
        "Regularisation",
        "While training it adds random noise to every value, so that the network learns not to rely on fine details. "
        "In evaluation it does nothing.",
        _noise,
        params=(SIGMA,),
        module=lambda p, _xs: call("modules.GaussianNoise", p["sigma"]),
        flops=lambda _p, _xs, _out: 0,
        summary="σ = {sigma:g}",
        keywords="noise denoising regularization jitter",
        formula="y = x + σ·n, n standard normal",
        source="Bishop (1995), Training with Noise is Equivalent to Tikhonov Regularization, Neural Computation 7(1)",
    ),
)
