"""How weights start: one Call per scheme, executed by initialize.py and printed by source.py."""

from __future__ import annotations

from builder.spec import Call, In, Param, call

# Only weights with two or more axes are filled this way; biases start at zero, the scales of norms stay at one.
SCHEMES: dict[str, Call] = {
    "xavier_uniform": call("nn.init.xavier_uniform_", In()),
    "xavier_normal": call("nn.init.xavier_normal_", In()),
    "kaiming_uniform": call("nn.init.kaiming_uniform_", In(), nonlinearity="relu"),
    "kaiming_normal": call("nn.init.kaiming_normal_", In(), nonlinearity="relu"),
    "lecun_normal": call("nn.init.kaiming_normal_", In(), nonlinearity="linear"),
    "orthogonal": call("nn.init.orthogonal_", In()),
    "normal_small": call("nn.init.normal_", In(), std=0.01),
    "normal_large": call("nn.init.normal_", In(), std=1.0),
    "zeros": call("nn.init.zeros_", In()),
}

INIT = Param(
    "init",
    "choice",
    "pytorch",
    choices=("pytorch", *SCHEMES),
    label="Initial weights",
    help="How the weights start. 'pytorch' is torch's own choice for the layer. Xavier (Glorot & Bengio 2010) keeps "
    "the size of signals through tanh and sigmoid: variance 2 / (fan_in + fan_out). Kaiming (He et al. 2015) does so "
    "for ReLU: variance 2 / fan_in. LeCun (LeCun et al. 1998) has variance 1 / fan_in, which SELU counts on. "
    "Orthogonal (Saxe et al. 2013) keeps lengths exactly. Small (σ = 0.01), large (σ = 1) and zeros show "
    "what goes wrong.",
)
