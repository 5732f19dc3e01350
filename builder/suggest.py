"""What can come after a layer, best first, and which connections no cure can save."""

from __future__ import annotations

from functools import lru_cache

from builder.block import BLOCK, entries
from builder.blocks import BLOCKS
from builder.blocks.spec import BlockSpec
from builder.catalog import BY_TYPE, CATALOG
from builder.catalog.data import axes_of
from builder.diagnostic import Diagnostic
from builder.graph import Edge, Graph, Node
from builder.infer import infer
from builder.spec import DType, LayerSpec, TensorSpec

RANKS = range(1, 6)
SIDES = (64, 8, 1)  # of the cubes that are tried: a square, a cube with a fold, and the smallest
NEVER = ("shape/wrong-rank", "dtype/")  # what no setting of the layer changes

# What mostly follows a layer of that group in textbooks and papers. What does not fit the shape is left out, so one
# line serves vectors, sequences and images.
FOLLOWS: dict[str, tuple[str, ...]] = {
    "Data": ("Embedding", "Conv2d", "Linear", "LSTM", "GRU", "Conv1d", "Flatten"),
    "Dense": ("ReLU", "Output", "Dropout", "Tanh", "Sigmoid", "LayerNorm", "BatchNorm1d", "GELU", "Add"),
    "Convolution": ("BatchNorm2d", "ReLU", "BatchNorm1d", "MaxPool2d", "MaxPool1d", "Add"),
    "Pooling": ("Conv2d", "Flatten", "Linear", "Conv1d", "Dropout"),
    "Recurrent": ("Linear", "Dropout", "LSTM", "GRU", "LayerNorm"),
    "Attention": ("LayerNorm", "Add", "Linear", "TransformerEncoderLayer", "Dropout", "Select"),
    "Normalisation": ("ReLU", "Linear", "GELU", "Conv2d", "MaxPool2d"),
    "Regularisation": ("Linear", "Output", "Conv2d", "LSTM", "Add"),
    "Activation": ("MaxPool2d", "Conv2d", "Linear", "MaxPool1d", "Conv1d", "Dropout", "Flatten", "Add", "Output"),
    "Shape": ("Linear", "Conv2d", "LSTM", "Conv1d", "Dropout", "Output"),
    "Merge": ("ReLU", "Conv2d", "Linear", "LayerNorm", "Output"),
    "": ("Linear", "Conv2d", "ReLU", "LayerNorm", "Dropout", "Flatten", "Add", "Output"),
}


def candidates(graph: Graph, node: str) -> tuple[str, ...]:
    """Types of the layers that take what ``node`` gives, best first; none where that is not known."""
    info = infer(graph).nodes.get(node)
    return after(graph.by_id[node].type, info.output) if info and info.output else ()


@lru_cache(maxsize=4096)
def after(type_: str, output: TensorSpec) -> tuple[str, ...]:
    """Types of the layers that take ``output`` of a layer of ``type_`` with their default settings, best first.

    First what mostly follows, then the rest in the order of the palette; what fits but earns a warning stands last.
    """
    known = BY_TYPE.get(type_)
    if known and not known.outputs:
        return ()
    usual = FOLLOWS.get(known.group if known else "", FOLLOWS[""])
    rank = {name: i for i, name in enumerate(usual)}
    fitting = [spec for spec in CATALOG if fits(spec, output)]
    fitting.sort(key=lambda spec: (_warned(spec, output), rank.get(spec.type, len(rank))))
    return tuple(spec.type for spec in fitting)


def fits(spec: LayerSpec, x: TensorSpec) -> bool:
    """Whether a layer with default settings takes ``x`` at every input."""
    return isinstance(_given(spec, x), TensorSpec)


def _given(spec: LayerSpec, x: TensorSpec) -> TensorSpec | Diagnostic | None:
    """What the layer makes of ``x`` at all its inputs; None where it has none."""
    ports = spec.free_ports(set())
    return spec.infer(spec.complete({}), (x,) * len(ports)) if ports else None


def _warned(spec: LayerSpec, x: TensorSpec) -> bool:
    inputs = (x,) * len(spec.free_ports(set()))
    return spec.advise(spec.complete({}), inputs, ()) is not None


def blocks_after(x: TensorSpec) -> tuple[str, ...]:
    """Names of the built-in blocks that, with the settings that suit ``x``, take a tensor with as many axes."""
    return _blocks_for(x.dtype, len(x.shape))


@lru_cache(maxsize=32)
def _blocks_for(dtype: DType, rank: int) -> tuple[str, ...]:
    shape = (SIDES[0],) * rank
    return tuple(block.name for block in BLOCKS if takes(block, TensorSpec(shape, dtype, axes_of(shape))))


def takes(block: BlockSpec, x: TensorSpec) -> bool:
    """Whether ``block``, with the settings that suit ``x``, takes it at every input."""
    graph = Graph((Node("x", "Input", {"shape": x.shape, "dtype": x.dtype}),))
    inner = block.graph(**block.suit(x))
    graph = graph.add(
        Node("block", BLOCK.type, inner=inner), [Edge("x", "block", k) for k in range(len(entries(inner)))]
    )
    return infer(graph.add(Node("y", "Output"), [Edge("block", "y")])).ok


def hopeless(spec: LayerSpec) -> dict[DType, list[int]]:
    """Per dtype the numbers of axes that this layer can never take, and for which no cure is offered.

    The canvas refuses such a connection. All others can be drawn: what does not fit is told at the layer, with a cure.
    """
    if len(spec.ports) != 1 or spec.variadic:
        return {}
    kinds: tuple[DType, ...] = ("float32", "int64")
    found = {kind: [rank for rank in RANKS if _hopeless(spec, kind, rank)] for kind in kinds}
    return {kind: ranks for kind, ranks in found.items() if ranks}


def _hopeless(spec: LayerSpec, dtype: DType, rank: int) -> bool:
    tried = [_given(spec, TensorSpec((side,) * rank, dtype, axes_of((side,) * rank))) for side in SIDES]
    return all(isinstance(d, Diagnostic) and not d.fix and d.code.startswith(NEVER) for d in tried)
