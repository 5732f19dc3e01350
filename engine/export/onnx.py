"""A network as one ONNX file, given away only after onnxruntime has computed the same numbers with it.

A process of its own, since it costs seconds and much memory: ``python -m engine.export.onnx NET.json FILE.onnx
[WEIGHTS.safetensors]``. It prints JSON lines: {"stage": …} as it goes on, then {"difference": …} or {"problem": …},
the latter with a "trace" where nobody foresaw it.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from builder import document
from builder.compile import GraphModule, compile_graph
from builder.diagnostic import Diagnostic, Refused
from builder.flatten import flatten
from builder.graph import Graph
from builder.infer import infer
from builder.spec import TensorSpec
from engine.faults import is_out_of_memory
from engine.limits import NICE, confine

Tell = Callable[..., None]
BATCHES = (1, 2, 5)  # sizes at which both must agree
TRACED = 3  # size that the exporter sees; 1 would be taken for a constant
TOLERANCE = 1e-4  # of the largest output


def main(argv: Sequence[str]) -> int:
    confine(NICE)
    torch.set_num_threads(1)
    with os.fdopen(os.dup(1), "w", buffering=1) as out:
        os.dup2(2, 1)  # the exporter talks; its words belong with the errors

        def tell(**message: object) -> None:
            out.write(json.dumps(message) + "\n")

        with contextlib.suppress(BrokenPipeError):  # whoever asked is gone
            answer(*map(Path, argv), tell=tell)
    return 0


def answer(net: Path, target: Path, weights: Path | None = None, *, tell: Tell) -> None:
    """Exports, and tells how that goes and ends."""
    try:
        graph = document.loads(net.read_bytes())
        tell(difference=export(graph, target, weights, lambda stage: tell(stage=stage)))
    except BrokenPipeError:
        raise
    except Refused as refused:
        tell(problem=refused.diagnostics[0].to_json())
    except Exception as error:
        problem = no_memory() if short_of_memory(error) else unwritable()
        tell(problem=problem.to_json(), trace=traceback.format_exc())


def export(graph: Graph, path: Path, weights: Path | None, stage: Callable[[str], None]) -> float:
    """Writes ``path`` and returns the largest difference to the network, as a share of its largest output."""
    stage("load")
    net = compile_graph(graph, seed=0)
    if weights is not None:
        net.load_state_dict(load_file(weights))
    net.eval()
    stage("write")
    content = written(net, graph)
    stage("compare")
    difference = compared(net, graph, content)
    path.write_bytes(content)
    return difference


def written(net: GraphModule, graph: Graph) -> bytes:
    """The file: any batch size, weights inside, nothing about the machine that it was made on."""
    found = infer(graph)
    names = [n.id for n in graph.nodes]
    inputs, outputs = ([id for id in names if id in ends] for ends in (found.inputs, found.outputs))
    examples = tuple(sample(found.inputs[id], TRACED, graph, i) for i, id in enumerate(inputs))
    program = torch.onnx.export(
        net,
        examples,
        input_names=inputs,
        output_names=outputs,
        dynamic_shapes={"inputs": tuple({0: "batch"} for _ in inputs)},
        dynamo=True,
        external_data=False,
        optimize=True,
        verbose=False,
    )
    assert program is not None
    return bare(program.model_proto)


def bare(model: Any) -> bytes:
    """``model`` without the exporter's notes on nodes, which hold paths and lines of this installation."""
    for graph in (model.graph, *model.functions):
        for node in graph.node:
            node.ClearField("metadata_props")
            node.ClearField("doc_string")
        graph.ClearField("metadata_props")
    for value in (*model.graph.value_info, *model.graph.input, *model.graph.output, *model.graph.initializer):
        value.ClearField("metadata_props")
    model.ClearField("metadata_props")
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def compared(net: GraphModule, graph: Graph, content: bytes) -> float:
    """Raises Refused if onnxruntime computes something else."""
    import onnx
    import onnxruntime

    onnx.checker.check_model(content, full_check=True)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    specs, worst = infer(graph).inputs, 0.0
    for size in BATCHES:
        inputs = {i.name: sample(specs[i.name], size, graph, size) for i in session.get_inputs()}
        with torch.no_grad():
            ordered = [inputs[n.id] for n in graph.nodes if n.id in specs and n.id in inputs]
            ours = net(*ordered)
        theirs = session.run(None, {name: x.numpy() for name, x in inputs.items()})
        pairs = zip(ours if isinstance(ours, tuple) else (ours,), theirs, strict=True)
        worst = max([worst, *(_difference(a, b) for a, b in pairs)])
    if not worst <= TOLERANCE:
        raise Refused(unequal(worst))
    return worst


def _difference(ours: Tensor, theirs: Any) -> float:
    a, b = ours.double().numpy(), np.asarray(theirs, dtype=np.float64)
    if a.shape != b.shape:
        return float("inf")
    return float(np.abs(a - b).max() / max(1.0, np.abs(a).max()))


def sample(spec: TensorSpec, size: int, graph: Graph, seed: int) -> Tensor:
    """(size, *spec.shape): standard normal numbers, or tokens that every Embedding knows."""
    generator = torch.Generator().manual_seed(seed)
    if spec.dtype == "float32":
        return torch.randn(size, *spec.shape, generator=generator)
    known = [int(n.params.get("num_embeddings", 1)) for n in flatten(graph).nodes if n.type == "Embedding"]
    return torch.randint(min(known, default=1), (size, *spec.shape), generator=generator)


def unwritable() -> Diagnostic:
    what = "PyTorch's exporter could not write this network as ONNX."
    return Diagnostic("export/onnx-failed", what, "Take model.py and the weights instead.")


def short_of_memory(error: BaseException | None) -> bool:
    """Whether this, or what led to it, was a lack of memory."""
    if error is None:
        return False
    here = is_out_of_memory(error) or getattr(error, "errno", None) == errno.ENOMEM
    return here or short_of_memory(error.__cause__ or error.__context__)


def no_memory() -> Diagnostic:
    what = "Writing ONNX needs more memory than this machine has left."
    return Diagnostic("export/onnx-memory", what, "Try again later, or take model.py and the weights instead.")


def unequal(difference: float) -> Diagnostic:
    what = f"onnxruntime computes other numbers than the network (off by {difference:.2g}), so there is no file."
    return Diagnostic("export/onnx-unequal", what, "Take model.py and the weights instead.")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
