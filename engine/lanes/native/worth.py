"""Whether the kernel is faster than PyTorch for a network that both can do, by what was measured (benchmarks/peers.py
and below). The unit is a multiply-add of one training step; both do some 50 billion in a second on one core."""

from __future__ import annotations

from engine.lanes.native.kinds import BATCH_NORM, CONV, ENCODER, GRU, LSTM, RNN, Layer
from engine.lanes.native.layout import Layout, Unfit

WIDE = 8  # from so many channels on PyTorch's convolution is as good as the processor allows
LEAD = 0.15  # and faster than the kernel's by this share: measured 0.04 to 0.16 for 3 × 3, 16 to 256 channels, batch 32
NARROW = 2.0  # with fewer channels it takes about three times as long as its arithmetic
NORMING = 200  # what PyTorch spends on a value that batch norm takes: half of what was measured
CALL = 2.5e6  # what PyTorch spends on calling one layer forward and backward, 50 µs
MEMORY = {LSTM: 360, GRU: 1024, RNN: 1024}  # units up to which it is as fast at least: see check()
ENCODER_GAIN = 1.8  # how much faster than PyTorch's an encoder layer of up to SLIM features is
SLIM, FADING = 64, 0.35  # beyond, weights leave the cache between steps: 1.4 at 128 features, 1.1 at 256, 0.7 at 512
LOOKS = 2**25  # numbers (128 MB) of how much each step looks at each: the kernel keeps them all, PyTorch does not
ENCODER_CALL = 5e7  # what PyTorch spends on calling an encoder layer, 1 ms

VECTOR = 16  # examples in the widest vectors that processors have: batches are filled up to whole ones


def check(layout: Layout, batch: int) -> None:
    """Raises Unfit where PyTorch would be faster.

    Times as fast with a memory of 32, 128, 256, 512, 1024 units, 24 steps and batches of 32 (benchmarks/lanes.py): LSTM
    5.4, 1.6, 1.2, 1.0, 0.6; GRU 19, 4.3, 2.8, 1.6, 1.2; RNN 24, 5.4, 3.5, 2.2, 1.7.
    """
    if large := [layer for layer in layout.layers if layer.hidden > MEMORY.get(layer.kind, layer.hidden)]:
        raise Unfit(f"A memory of {large[0].hidden} units is large enough for PyTorch's own products to be faster.")
    filled = -(-batch // VECTOR) * VECTOR / batch
    encoders = [layer for layer in layout.layers if layer.kind == ENCODER]
    if sum(layer.heads * layer.steps**2 for layer in encoders) * filled * batch > LOOKS:
        raise Unfit("The sequences are so long that attention takes less memory in PyTorch than in the fast kernel.")
    if sum(_encoding(layer, batch) * (filled - _gain(layer)) - ENCODER_CALL for layer in encoders) > 0:
        raise Unfit(
            f"The transformer layers of this network are wide enough, or a batch of {batch} small enough, for "
            "PyTorch's own products to be faster than the fast kernel."
        )
    lost = sum(_work(layer, batch) * (filled - 1 + LEAD) for layer in layout.layers if _wide(layer))
    gained = sum(_work(layer, batch) * NARROW for layer in layout.layers if layer.kind == CONV and not _wide(layer))
    gained += sum(layer.outputs * batch * NORMING for layer in layout.layers if layer.kind == BATCH_NORM)
    if lost > gained + CALL * len(layout.layers):
        raise Unfit(
            f"The convolutions of this network are large enough at a batch size of {batch} for PyTorch's own to be "
            "faster than the fast kernel."
        )


def _wide(layer: Layer) -> bool:
    return bool(layer.kind == CONV and layer.channels >= WIDE and layer.kernel[0] * layer.kernel[1] > 1)


def _gain(layer: Layer) -> float:
    return float(ENCODER_GAIN * min(1.0, (SLIM / layer.features) ** FADING))


def _encoding(layer: Layer, batch: int) -> float:
    """Multiply-adds of an encoder layer, forward and twice backward: what each step does alone, and looks."""
    alone = layer.features * (4 * layer.features + 2 * layer.hidden)
    return float(3 * batch * layer.steps * (alone + 2 * layer.steps * layer.features))


def _work(layer: Layer, batch: int) -> float:
    """Multiply-adds of a convolution: forward, and backward by its weights and its inputs."""
    return float(3 * batch * layer.outputs * layer.channels * layer.kernel[0] * layer.kernel[1])
