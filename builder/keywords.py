"""Names of what the catalogue hands to a constructor by place, as torch calls them. Tests compare this with torch."""

from __future__ import annotations

CHANNELS = ("in_channels", "out_channels")
FEATURES = ("in_features", "out_features")
POSITIONAL: dict[str, tuple[str, ...]] = {
    "nn.Linear": FEATURES,
    "nn.Bilinear": ("in1_features", "in2_features", "out_features"),
    "nn.Embedding": ("num_embeddings", "embedding_dim"),
    **{f"nn.Conv{n}d": CHANNELS for n in (1, 2, 3)},
    **{f"nn.ConvTranspose{n}d": CHANNELS for n in (1, 2)},
    **{f"nn.{kind}Pool{n}d": ("kernel_size",) for kind in ("Max", "Avg") for n in (1, 2, 3)},
    **{f"nn.Adaptive{kind}Pool{n}d": ("output_size",) for kind in ("Max", "Avg") for n in (1, 2, 3)},
    **{f"nn.{kind}": ("input_size", "hidden_size") for kind in ("RNN", "LSTM", "GRU")},
    "nn.MultiheadAttention": ("embed_dim", "num_heads"),
    "nn.TransformerEncoderLayer": ("d_model", "nhead"),
    "nn.TransformerDecoderLayer": ("d_model", "nhead"),
    **{f"nn.BatchNorm{n}d": ("num_features",) for n in (1, 2, 3)},
    "nn.InstanceNorm2d": ("num_features",),
    "nn.LayerNorm": ("normalized_shape",),
    "nn.RMSNorm": ("normalized_shape",),
    "nn.GroupNorm": ("num_groups", "num_channels"),
    "nn.LocalResponseNorm": ("size",),
    **{f"nn.{kind}": ("p",) for kind in ("Dropout", "Dropout1d", "Dropout2d", "AlphaDropout")},
    "nn.Unflatten": ("dim", "unflattened_size"),
    "nn.PixelShuffle": ("upscale_factor",),
    "nn.ZeroPad2d": ("padding",),
    "modules.SinusoidalPositions": ("time", "features"),
    "modules.LearnedPositions": ("time", "features"),
    "modules.ClassToken": ("features",),
    "modules.StochasticDepth": ("p",),
    "modules.GaussianNoise": ("sigma",),
}
