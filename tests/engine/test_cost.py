"""What a layer is said to cost, against counts that are slow and obvious, and against what torch does."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import accumulate

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as some
from torch import nn
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from builder import templates
from builder.compile import compile_graph
from builder.graph import Edge, Graph, Node
from builder.infer import Inference, infer
from engine import memory
from engine.config import DataRef, TrainConfig
from engine.cost import costs
from engine.data import Dataset, load
from engine.data.baseline import MEAN
from engine.data.split import Parts, labels
from engine.optimizers import OPTIMIZERS
from tests.builder.layers import batch
from tests.engine.drawn import chain, make

BATCH = 8
DIGITS = TrainConfig(DataRef("digits"), knobs={"batch_size": BATCH})
CNN = chain(
    ("Input", {"shape": (1, 8, 8)}),
    ("Conv2d", {"out_channels": 4, "kernel_size": 3, "bias": False}),
    ("Flatten", {}),
    ("Linear", {"out_features": 16, "bias": False}),
    ("Linear", {"out_features": 10, "bias": False}),
    ("Output", {}),
)
NAMES = sorted(t.name for t in templates.TEMPLATES)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_the_bytes_of_all_layers_add_up_to_what_a_run_is_said_to_need(name: str, optimizer: str) -> None:
    template = next(t for t in templates.TEMPLATES if t.name == name)
    data = load(DataRef(template.dataset))
    config = TrainConfig(DataRef(template.dataset), optimizer=optimizer, knobs={"batch_size": BATCH})
    inference = infer(templates.load(name))
    found = costs(inference, config, data.n_train, data.n_val, data.nbytes)
    need = memory.need(inference, config, data)
    assert found.total.training + found.data == need.total
    layers = sum(found.nodes[n.id].training for n in inference.graph.nodes)
    step = memory.FLOAT * memory.stepped(inference, BATCH)
    assert found.total.training == layers - step + max(step, memory.FLOAT * memory.scored(inference, data.n_val))
    assert found.total.params == inference.params
    assert found.total.flops == inference.flops


@pytest.mark.parametrize("name", sorted(OPTIMIZERS))
def test_the_state_of_an_optimizer_is_counted_as_torch_holds_it(name: str) -> None:
    inference = infer(CNN)
    made = OPTIMIZERS[name](torch.zeros(inference.params))
    state = sum(x.numel() * x.element_size() for x in made.state.values())

    def bytes_of(optimizer: str) -> int:
        config = TrainConfig(DataRef("digits"), optimizer=optimizer, knobs={"batch_size": BATCH})
        return costs(inference, config, 1000, 0).total.training

    assert bytes_of(name) - bytes_of("sgd") == 3 * state  # in the run, and in both checkpoints


def test_the_arithmetic_of_a_step_is_what_torch_counts() -> None:
    module = compile_graph(CNN, seed=0)
    found = costs(infer(CNN), DIGITS, 1000, 200)
    products = [id for id, info in infer(CNN).nodes.items() if info.weights]
    x = torch.zeros(BATCH, 1, 8, 8)
    with FlopCounterMode(display=False) as forward:
        out = module(x)
    with FlopCounterMode(display=False) as backward:
        out.sum().backward()
    assert BATCH * sum(found.nodes[id].flops for id in products) == forward.get_total_flops()
    both = forward.get_total_flops() + backward.get_total_flops()
    assert sum(found.nodes[id].step_flops for id in products) == both


def test_what_a_layer_keeps_for_the_backward_pass_fits_into_what_is_counted() -> None:
    graph = templates.load("lenet5")
    module, kept = compile_graph(graph, seed=0), dict[int, int]()

    def note(x: torch.Tensor) -> torch.Tensor:
        if not isinstance(x, nn.Parameter):
            kept[x.untyped_storage().data_ptr()] = x.untyped_storage().nbytes()
        return x

    weights = {p.untyped_storage().data_ptr() for p in module.parameters()}
    with torch.autograd.graph.saved_tensors_hooks(note, lambda x: x):
        out = module(torch.randn(BATCH, *infer(graph).inputs["input_1"].shape))
    saved = sum(size for at, size in kept.items() if at not in weights)
    assert out.requires_grad
    activations = memory.FLOAT * 2 * BATCH * memory.per_example(infer(graph))
    assert 0 < saved <= activations


def test_a_shared_layer_does_its_arithmetic_twice_and_holds_its_weights_once() -> None:
    one = Node("one", "Linear", {"out_features": 4})
    two = Node("two", "Linear", {"out_features": 4, "share": "one"})
    graph = Graph((Node("x", "Input", {"shape": (4,)}), one, two, Node("y", "Output")))
    for a, b in (("x", "one"), ("one", "two"), ("two", "y")):
        graph = graph.connect(Edge(a, b))
    found = costs(infer(graph), DIGITS, 1000, 200).nodes
    assert (found["one"].params, found["two"].params) == (20, 0)
    assert found["one"].flops == found["two"].flops
    assert found["one"].step_flops == BATCH * found["one"].flops * 2  # nothing before it learns
    assert found["two"].step_flops == BATCH * found["two"].flops * 3


def slow_peak(inference: Inference) -> int:
    """At each moment every output that is there and will be read, the one that is being made, and what its layer holds
    besides: inside, or what it reads and makes in a layout of its own."""
    order, found = list(inference.order), [0]
    for now, id in enumerate(order):
        alive = 0
        for earlier in order[: now + 1]:
            readers = [order.index(e.target) for e in inference.graph.outputs(earlier)]
            if earlier == id or any(r >= now for r in readers):
                out = inference.nodes[earlier].output
                alive += out.numel if out else 0
        info = inference.nodes[id]
        read = [inference.nodes[e.source].output for e in inference.graph.inputs(id)]
        twice = sum(x.numel for x in (*read, info.output) if x) if read else 0
        found.append(alive + max(info.inner, twice))
    return max(found)


@settings(max_examples=60, deadline=None)
@given(some.data())
def test_the_fullest_moment_is_that_of_a_slow_count(data: some.DataObject) -> None:
    graph = Graph((Node("n0", "Input", {"shape": (3,)}),))
    for i in range(1, data.draw(some.integers(2, 9))):
        type_ = data.draw(some.sampled_from(["Linear", "Add", "ReLU", "Concat"]))
        sources = [f"n{data.draw(some.integers(0, i - 1))}" for _ in range(2 if type_ in ("Add", "Concat") else 1)]
        params = {"out_features": data.draw(some.sampled_from([3, 40]))} if type_ == "Linear" else {}
        graph = graph.add(Node(f"n{i}", type_, params), [Edge(s, f"n{i}", k) for k, s in enumerate(sources)])
    inference = infer(graph)
    assert memory.peak(inference) == slow_peak(inference)


def measured(run: Callable[[], object]) -> int:
    """The most bytes that torch holds at once during ``run``, beyond those of before."""
    with torch.no_grad(), profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        run()
    events = [e for e in seen.profiler.kineto_results.events() if e.name() == "[memory]"]
    return max(accumulate(e.nbytes() for e in sorted(events, key=lambda e: e.start_ns())))


def test_a_pass_without_gradients_holds_no_more_than_is_counted_and_not_much_less() -> None:
    least = {"mlp": 0.4, "resnet20": 0.5, "lenet5": 0.5, "unet": 0.5, "lstm": 0.4, "gpt": 0.4}
    for name in NAMES:
        inference = infer(templates.load(name))
        module = compile_graph(inference.graph, seed=0).eval()
        inputs = [batch(x, 16, seed) for seed, x in enumerate(inference.inputs.values())]
        counted = memory.FLOAT * 16 * memory.peak(inference.flat)
        held = measured(lambda module=module, inputs=inputs: module(*inputs))
        weights = memory.FLOAT * inference.params  # of which some layers make a copy in another layout
        assert least.get(name, 0) * counted <= held <= counted + weights, name


@pytest.mark.parametrize(("hidden", "kinds"), [(400, 3), (4, 200)])
def test_scoring_holds_no_more_than_is_counted_and_not_much_less(hidden: int, kinds: int) -> None:
    """Where a wide layer, and where the answers for all examples are the most of it; with a class at each place."""
    graph = chain(
        ("Input", {"shape": (6,), "dtype": "int64"}),
        ("Embedding", {"num_embeddings": 50, "embedding_dim": 4}),
        ("Linear", {"out_features": hidden}),
        ("Linear", {"out_features": kinds}),
        ("Output", {}),
    )
    source, said = (np.random.default_rng(0).integers(0, n, (4000, 6)) for n in (50, kinds))
    parts = Parts(np.arange(1000), np.arange(1000, 4000))
    fields = (labels("text", source, parts, ("",) * 50),), (labels("tag", said, parts, ("",) * kinds),)
    training = make(graph, Dataset("tags", "text", *fields, ("word",), MEAN))
    counted = memory.FLOAT * memory.scored(infer(graph), 3000)
    assert counted / 2 < measured(training.evaluator.on_validation) <= counted + 100  # such as the mean itself


def test_a_larger_batch_costs_more_activations_and_no_more_weights() -> None:
    inference = infer(CNN)
    small, large = (
        costs(inference, TrainConfig(DataRef("digits"), knobs={"batch_size": b}), 5000, 0) for b in (10, 1000)
    )
    kept = sum(info.output.numel for info in inference.nodes.values() if info.output)
    assert large.total.training - small.total.training == 4 * 2 * 990 * kept
    assert large.total.step_flops == 100 * small.total.step_flops
    assert math.isclose(large.total.inference - small.total.inference, 4 * 990 * memory.peak(inference))


def test_a_layer_that_is_not_whole_costs_nothing_yet() -> None:
    graph = chain(("Input", {"shape": (1, 5, 5)}), ("Conv2d", {"kernel_size": 7}), ("Output", {}))
    found = costs(infer(graph), DIGITS, 1000, 200)
    assert found.nodes["conv2d_1"].training == found.nodes["conv2d_1"].flops == 0
