"""One forward and one backward pass on the first batch of a run, before it is trained: what each layer would put out
and how the gradient would reach it. The page's settings, seed and batch are those of step 1, and so are the numbers.

As a process (``main``) it stays warm and answers one request after the other over a socket, JSON lines (see
probing.py). It has bounded memory, ends when the socket closes, and touches nothing of any run.
"""

from __future__ import annotations

import contextlib
import json
import socket
import sys
import traceback
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from torch import Tensor

from builder.diagnostic import Diagnostic, Refused
from builder.document import from_json
from builder.graph import Graph
from builder.infer import infer
from engine import data, limits
from engine import device as devices
from engine.attention import packed, watched
from engine.config import DataRef, TrainConfig
from engine.data import Dataset
from engine.faults import RunFault, is_out_of_memory
from engine.flow import health
from engine.loop import Training
from engine.observe import readable
from engine.pictures import looks, picture
from engine.preflight import preflight
from engine.quantities.quantity import numbers

MAX_PARAMS = 50_000_000
MAX_PICTURES = 300  # nodes
EXTRA_NICE = 5  # runs come before previews


def probe(graph: Graph, config: TrainConfig, dataset: Dataset) -> dict[str, Any]:
    """The body of an answer. Raises Refused or RunFault where there is nothing to see, in the user's words.

    ``nodes`` is ``{id: {img, alt, c, t}}``: picture of the output as data URL (or None), the same in words, and for
    layers with weights the gradient as colour and text (else None and ""). ``layers`` and ``norms`` are as in the
    "layers" event of step 1, before clipping. ``input_square`` is the mean of x² over the batch, None for class
    numbers and tokens. ``looks`` is ``{id: …}`` of the attention layers (see attention.packed), whose picture in
    ``nodes`` is where their steps look.
    """
    _check(graph, config, dataset)
    outputs: dict[str, Tensor] = {}

    def tap(node: str, output: Tensor) -> None:
        outputs[node] = output.detach()

    with devices.tuned():
        training = Training(graph, config, dataset, watch=False)
        modules, names = dict(training.model.named_modules()), training.network.nodes
        with watched({id: modules[name] for name, id in names.items() if name in modules}) as calls:
            loss = training.backward(tap)
        seen = {id: call.looks() for id, call in calls.items()}
        layers, norms = training.flat.layers, numbers(training.flat.norms(training.flat.gradient))
    nodes = _pictures(graph, outputs)
    for id, weights in seen.items():
        nodes.setdefault(id, {"c": None, "t": ""}).update(zip(("img", "alt"), looks(weights), strict=True))
    largest = max((n for n in norms if n is not None), default=0.0)
    for id, norm in zip(layers, norms, strict=True):
        if norm is not None:
            nodes.setdefault(id, {"img": None, "alt": ""}).update(
                c=round(health(norm, largest), 4), t=f"‖g‖ {norm:.3g}"
            )
    x = outputs[training.network.order[0]]
    square = float(x.double().square().mean()) if x.is_floating_point() else None
    found = {"nodes": nodes, "layers": layers, "norms": norms, "loss": loss, "input_square": square}
    return found | {"looks": {id: packed(weights) for id, weights in seen.items()}}


def _check(graph: Graph, config: TrainConfig, dataset: Dataset) -> None:
    """Raises Refused where a run could not start, or its first batch would keep an editor waiting."""
    if errors := [d for d in preflight(graph, config, dataset) if d.severity == "error"]:
        raise Refused(*errors)
    if (params := infer(graph).params) > MAX_PARAMS:
        what = f"The network has {params:,} parameters; a preview while editing stops at {MAX_PARAMS:,}."
        raise Refused(Diagnostic("probe/large", what, "Press Train to see its first step.", severity="warning"))


def _pictures(graph: Graph, outputs: Mapping[str, Tensor]) -> dict[str, dict[str, Any]]:
    nodes, known = {}, infer(graph).nodes
    for id, output in list(outputs.items())[:MAX_PICTURES]:
        spec = known[id].output
        img, alt = picture(readable(output), spec.axes if spec else ())
        nodes[id] = {"img": img or None, "alt": alt, "c": None, "t": ""}
    return nodes


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """The answer to one request of probing.py; whatever goes wrong is told as a Diagnostic under ``problem``."""
    try:
        config = TrainConfig.from_json(request["config"])
        return probe(from_json(request["graph"]), config, load(config, request["csv"]))
    except Refused as refused:
        return {"problem": refused.diagnostics[0].to_json()}
    except RunFault as fault:
        reason = fault.reason.replace("Training stopped at step 1:", "Training would stop at its first step:")
        return {"problem": Diagnostic("probe/fault", reason, "", fault.node).to_json()}
    except Exception as error:
        return {"problem": unforeseen(error).to_json()}


def unforeseen(error: Exception) -> Diagnostic:
    if is_out_of_memory(error):
        what = "The preview of this network needs more memory than it may use."
        return Diagnostic("probe/memory", what, "Use a smaller batch or smaller layers.")
    traceback.print_exception(error)
    return Diagnostic("probe/bug", "Layerloom made a mistake in this preview.", "Training is not affected by it.")


def load(config: TrainConfig, csv: str | None) -> Dataset:
    """The data of ``config``. What was loaded last stays in memory: an edit of the network changes no data."""
    return _loaded(json.dumps([config.data.name, dict(config.data.options)]), config.seed, csv)


@lru_cache(maxsize=4)
def _loaded(ref: str, seed: int, csv: str | None) -> Dataset:
    name, options = json.loads(ref)
    return data.load(DataRef(name, options), seed, Path(csv) if csv else None)


def main(control: int) -> int:
    """The probe process: one answer per request, until the other end closes."""
    limits.confine(limits.NICE + EXTRA_NICE)
    with socket.socket(fileno=control) as app, contextlib.suppress(OSError):  # whoever asked may be gone
        for line in app.makefile("rb"):
            app.sendall(json.dumps(answer(json.loads(line))).encode() + b"\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
