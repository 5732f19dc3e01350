"""Each kind of layer that a lane computes in its own way trains as in the reference, in every form it can have."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from builder.graph import Edge, Graph, Node
from engine.config import DataRef
from engine.data import load
from engine.faults import RunFault
from engine.lanes.eager import Eager
from engine.lanes.native import build, worth
from engine.lanes.native.kinds import ENCODER, Layer
from engine.lanes.native.layout import Layout, Unfit
from tests.engine.drawn import advance, chain, make, with_input
from tests.engine.lanes import assert_alike, both, image

pytestmark = pytest.mark.skipif(build.compiler() is None, reason="there is no C compiler here")
EACH = st.tuples(st.integers(1, 4), st.integers(1, 4))


Drawn = dict[str, tuple[Any, ...]]


def branches(layers: Drawn) -> Graph:
    """A network of ``layers``: type, settings, and the names of those that it reads, else the one before."""
    nodes, edges, before = [], [], None
    for name, (type_, params, *reads) in {**layers, "output": ("Output", {})}.items():
        nodes.append(Node(name, type_, params))
        sources = reads or ([before] if before else [])
        edges += [Edge(source, name, port) for port, source in enumerate(sources)]
        before = name
    return Graph(tuple(nodes), tuple(edges))


class TestWindows:
    @pytest.mark.parametrize(("size", "taken"), [(1, True), (2, True), (4, True), (3, False)])
    def test_the_mean_of_even_windows_of_whatever_size(self, size: int, taken: bool):
        net = image(("ReLU", {}), ("AdaptiveAvgPool2d", {"output_size": size}))
        if taken:
            assert_alike(*both(20, net, "digits", optimizer="momentum", knobs={"lr": 0.05}))
        else:
            assert make(net, "digits", lane="auto").lane.name == "eager"

    def test_steps_and_channels_change_places(self):
        net = chain(("Input", {"shape": (24, 1)}), ("Permute", {"dims": (2, 1)}), ("Conv1d", {"out_channels": 3}),
                    ("Permute", {"dims": (2, 1)}), ("RNN", {"hidden_size": 4}), ("Linear", {"out_features": 1}),
                    ("Output", {}))  # fmt: skip
        assert_alike(*both(20, net, "sunspots", optimizer="momentum", knobs={"lr": 0.05}))

    def test_reshaped_values_stay_where_they_are(self):
        net = chain(("Input", {"shape": (1, 8, 8)}), ("Reshape", {"shape": (8, 8)}), ("LSTM", {"hidden_size": 4}),
                    ("Linear", {"out_features": 10}), ("Output", {}))  # fmt: skip
        assert_alike(*both(20, net, "digits", optimizer="momentum", knobs={"lr": 0.05}))

    @settings(max_examples=25, deadline=None)
    @given(st.integers(1, 9), EACH, EACH, EACH, EACH, st.booleans(), st.sampled_from([1, 5, 16, 33, 64]))
    def test_convolutions_of_any_form(self, filters, kernel, stride, padding, dilation, bias, batch):
        assume(all(d * (k - 1) < 8 + 2 * p for k, d, p in zip(kernel, dilation, padding, strict=True)))
        conv = {"out_channels": filters, "kernel_size": kernel, "stride": stride, "padding": padding,
                "dilation": dilation, "bias": bias}  # fmt: skip
        assert_alike(*both(12, image(("Conv2d", conv), ("Tanh", {})), "digits", optimizer="momentum",
                           knobs={"lr": 0.05, "batch_size": batch}))  # fmt: skip

    @settings(max_examples=12, deadline=None)
    @given(st.sampled_from(["MaxPool2d", "AvgPool2d"]), EACH, EACH, st.integers(0, 1), st.sampled_from([1, 17, 32]))
    def test_pools_of_any_form(self, type_, window, stride, padding, batch):
        assume(min(window) > padding)
        pool = {"kernel_size": window, "stride": stride, "padding": padding}
        net = image(("ReLU", {}), (type_, pool), ("Conv2d", {"out_channels": 4, "kernel_size": 2, "padding": 1}))
        assert_alike(*both(12, net, "digits", optimizer="momentum", knobs={"lr": 0.05, "batch_size": batch}))

    @pytest.mark.parametrize("kernel", [2, 3, 4])
    def test_same_padding_of_even_and_odd_kernels(self, kernel: int):
        same = ("Conv2d", {"out_channels": 8, "kernel_size": kernel, "same_padding": True})
        assert_alike(*both(20, image(same, ("ReLU", {}), same), "digits", optimizer="sgd"))

    def test_signals(self):
        net = chain(("Input", {"shape": (24, 1)}), ("Flatten", {}), ("Unflatten", {"shape": (1, 24)}),
                    ("Conv1d", {"out_channels": 5, "kernel_size": 4, "stride": 2}), ("ReLU", {}), ("MaxPool1d", {}),
                    ("Conv1d", {"out_channels": 7, "padding": 2, "dilation": 2}), ("AvgPool1d", {}), ("Flatten", {}),
                    ("Linear", {"out_features": 1}), ("Output", {}))  # fmt: skip
        assert_alike(*both(40, net, "sunspots", optimizer="adam", knobs={"lr": 0.003, "batch_size": 20}))

    def test_equal_values_in_a_window_and_dropout_behind_it(self):
        net = image(("ReLU", {}), ("MaxPool2d", {"kernel_size": 3, "stride": 1}), ("Dropout", {"p": 0.3}))
        assert_alike(*both(30, net, "digits", optimizer="sgd", knobs={"lr": 0.1, "input_noise": 0.1}))


class TestRecurrent:
    @pytest.mark.parametrize("own", [{}, {"bias": False}, {"num_layers": 2}, {"output": "sequence"}])
    @pytest.mark.parametrize("type_", ["RNN", "LSTM", "GRU"])
    @pytest.mark.parametrize(("hidden", "batch"), [(5, 7), (16, 32)])
    def test_a_memory_in_one_direction(self, own: dict[str, Any], type_: str, hidden: int, batch: int):
        memory = (type_, {"hidden_size": hidden, **own})
        net = chain(("Input", {"shape": (24, 1)}), memory, (type_, {"hidden_size": 3}) if "output" in own else
                    ("Tanh", {}), ("Linear", {"out_features": 1}), ("Output", {}))  # fmt: skip
        assert_alike(*both(40, net, "sunspots", optimizer="momentum", knobs={"lr": 0.03, "batch_size": batch}))

    def test_a_memory_of_rectified_numbers(self):
        net = chain(("Input", {"shape": (24, 1)}), ("RNN", {"nonlinearity": "relu"}), ("Linear", {"out_features": 1}),
                    ("Output", {}))  # fmt: skip
        assert_alike(*both(40, net, "sunspots", knobs={"lr": 0.01}))

    @pytest.mark.parametrize("type_", ["RNN", "LSTM", "GRU"])
    @pytest.mark.parametrize("between", [[], [("Tanh", {})], [("Flatten", {})], [("Linear", {"out_features": 4})]])
    def test_what_is_dropped_of_a_sequence_is_what_the_reference_drops(self, type_: str, between: list[Any]):
        memory = (type_, {"hidden_size": 5, "output": "sequence"})
        last = [] if ("Flatten", {}) in between else [(type_, {"hidden_size": 3})]
        net = chain(("Input", {"shape": (24, 1)}), memory, *between, ("Dropout", {"p": 0.4}), *last,
                    ("Linear", {"out_features": 1}), ("Output", {}))  # fmt: skip
        assert_alike(*both(10, net, "sunspots", optimizer="momentum", knobs={"lr": 0.03}))

    def test_values_in_an_order_of_their_own_are_dropped_by_the_reference(self):
        turned = ("Linear", {"out_features": 3}), ("Permute", {"dims": (2, 1)}), ("Dropout", {"p": 0.4})
        net = chain(("Input", {"shape": (24, 1)}), *turned, ("Flatten", {}), ("Linear", {"out_features": 1}),
                    ("Output", {}))  # fmt: skip
        lane = make(net, "sunspots", lane="auto").lane
        assert lane.name == "eager"
        assert "'dropout_1'" in lane.reason

    def test_both_directions_are_for_the_reference(self):
        net = chain(("Input", {"shape": (24, 1)}), ("LSTM", {"bidirectional": True}), ("Linear", {"out_features": 1}),
                    ("Output", {}))  # fmt: skip
        assert isinstance(make(net, "sunspots", lane="auto").lane, Eager)


class TestBatchNorm:
    """Learning with a bias before a batch norm is left out: its gradient is nothing but rounding."""

    @pytest.mark.parametrize("own", [{}, {"affine": False}, {"momentum": 0.4, "eps": 0.1}])
    @pytest.mark.parametrize("batch", [7, 32, 64])
    def test_of_features(self, own: dict[str, Any], batch: int):
        each = ("Linear", {"out_features": 6, "bias": False}), ("BatchNorm1d", own)
        net = chain(("Input", {"shape": (2,)}), *each, ("Tanh", {}), *each, ("ReLU", {}),
                    ("Linear", {"out_features": 2}), ("Output", {}))  # fmt: skip
        assert_alike(*both(40, net, "spiral", optimizer="adam", knobs={"lr": 0.01, "batch_size": batch}))

    @pytest.mark.parametrize("batch", [5, 16, 64])
    def test_of_images(self, batch: int):
        conv = ("Conv2d", {"out_channels": 5, "kernel_size": 3, "bias": False})
        net = image(conv, ("BatchNorm2d", {}), ("ReLU", {}), ("MaxPool2d", {"kernel_size": 2}))
        assert_alike(*both(20, net, "digits", optimizer="momentum", knobs={"lr": 0.05, "batch_size": batch}))

    def test_far_from_zero_its_variance_is_that_of_double_precision(self):
        data = load(DataRef("spiral"))
        data = with_input(data, data.x_train + np.float32(1e5))
        norm = ("BatchNorm1d", {"momentum": 1.0})
        net = chain(("Input", {"shape": (2,)}), norm, ("Linear", {"out_features": 2}), ("Output", {}))
        (batch,), _ = make(net, data).batches.next(32)
        native = make(net, data, lane="native", knobs={"batch_size": 32})
        advance(native, 1)
        found = native.model.get_submodule("batchnorm1d_1").get_buffer("running_var")
        assert found.tolist() == pytest.approx(batch.double().var(dim=0).tolist(), rel=1e-6)

    def test_of_signals_before_any_weights(self):
        net = chain(("Input", {"shape": (24, 1)}), ("BatchNorm1d", {"affine": False}), ("Flatten", {}),
                    ("Linear", {"out_features": 1}), ("Output", {}))  # fmt: skip
        assert_alike(*both(40, net, "sunspots", knobs={"lr": 0.01}))

    def test_its_averages_go_on_where_another_lane_left_them(self):
        net = chain(("Input", {"shape": (2,)}), ("BatchNorm1d", {}), ("Linear", {"out_features": 2}), ("Output", {}))
        eager, native = both(30, net, "spiral")
        norms = [t.model.get_submodule("batchnorm1d_1") for t in (eager, native)]
        assert [int(norm.num_batches_tracked) for norm in norms] == [30, 30]
        native.lane, before = Eager(native, ""), norms[1].running_mean.clone()
        advance(native, 1)
        assert int(norms[1].num_batches_tracked) == 31
        assert not torch.equal(norms[1].running_mean, before)


class TestBranches:
    @pytest.mark.parametrize(
        "drawn",
        [
            {"a": ("Linear", {"out_features": 8}), "b": ("Tanh", {}), "c": ("Linear", {"out_features": 8}),
             "d": ("Add", {}, "c", "a"), "e": ("ReLU", {})},
            {"a": ("Linear", {"out_features": 5}), "b": ("ReLU", {}), "c": ("Dropout", {"p": 0.3}),
             "d": ("Add", {}, "a", "b", "c", "b")},
            {"a": ("Linear", {"out_features": 5}), "b": ("Tanh", {}), "c": ("Concat", {}, "input", "b", "a")},
            {"a": ("Tanh", {}), "b": ("Linear", {"out_features": 4, "bias": False}, "input"), "c": ("BatchNorm1d", {}),
             "d": ("Linear", {"out_features": 4}, "a"), "e": ("Add", {}, "d", "c"), "f": ("Sigmoid", {}, "e"),
             "g": ("Concat", {}, "f", "e")},
            {"a": ("Linear", {"out_features": 6}), "b": ("Add", {}, "a", "a")},
            {"a": ("Dropout", {"p": 0.2}), "b": ("Tanh", {}), "c": ("Concat", {}, "a", "b"),
             "d": ("Linear", {"out_features": 3}), "e": ("Concat", {}, "d", "a")},
        ],
        ids=["residual", "of three", "from the input", "crossing", "of one", "before any weights"],
    )  # fmt: skip
    @pytest.mark.parametrize("optimizer", ["momentum", "adam"])
    @pytest.mark.parametrize("batch", [7, 32])
    def test_of_features(self, drawn: Drawn, optimizer: str, batch: int):
        net = branches({"input": ("Input", {"shape": (2,)}), **drawn, "last": ("Linear", {"out_features": 2})})
        assert_alike(*both(40, net, "spiral", optimizer=optimizer, knobs={"lr": 0.01, "batch_size": batch}))

    @pytest.mark.parametrize("merge", ["Add", "Concat"])
    @pytest.mark.parametrize("batch", [5, 64])
    def test_of_images(self, merge: str, batch: int):
        conv = {"kernel_size": 3, "padding": 1, "bias": False}
        net = branches({
            "input": ("Input", {"shape": (1, 8, 8)}), "a": ("Conv2d", {"out_channels": 4, **conv}),
            "b": ("BatchNorm2d", {}), "c": ("ReLU", {}), "d": ("Conv2d", {"out_channels": 4, **conv}),
            "e": ("BatchNorm2d", {}), "f": (merge, {}, "e", "a"), "g": ("ReLU", {}), "h": ("MaxPool2d", {}),
            "i": ("Flatten", {}), "last": ("Linear", {"out_features": 10}),
        })  # fmt: skip
        assert_alike(*both(20, net, "digits", optimizer="momentum", knobs={"lr": 0.02, "batch_size": batch}))

    @pytest.mark.parametrize("dim", [1, 2, -1])
    def test_concat_along_each_axis(self, dim: int):
        net = branches({
            "input": ("Input", {"shape": (24, 1)}), "a": ("Linear", {"out_features": 3}), "b": ("Tanh", {}),
            "c": ("Concat", {"dim": dim}, "a", "b"), "d": ("GRU", {"hidden_size": 4}),
            "last": ("Linear", {"out_features": 1}),
        })  # fmt: skip
        assert_alike(*both(30, net, "sunspots", optimizer="momentum", knobs={"lr": 0.02}))

    def test_branches_that_meet_in_another_way_are_for_the_reference_and_the_reason_names_where(self):
        net = branches({"input": ("Input", {"shape": (2,)}), "a": ("Linear", {"out_features": 4}), "b": ("Tanh", {}),
                        "c": ("Multiply", {}, "a", "b"), "last": ("Linear", {"out_features": 2})})  # fmt: skip
        lane = make(net, lane="auto").lane
        assert lane.name == "eager"
        assert "'c' (Multiply)" in lane.reason

    def test_what_each_branch_gives_is_seen_as_it_is(self):
        net = branches({"input": ("Input", {"shape": (2,)}), "a": ("Linear", {"out_features": 4}), "b": ("Tanh", {}),
                        "c": ("Concat", {}, "b", "a", "input"), "last": ("Linear", {"out_features": 2})})  # fmt: skip
        eager, native = (make(net, lane=lane, every=1) for lane in ("eager", "native"))
        seen = [[e.body for e in advance(t, 5) if e.kind == "layers"] for t in (eager, native)]
        assert len(seen[0]) == 5
        for one, other in zip(*seen, strict=True):
            for name in ("mean", "std", "grad_norm"):
                assert other[name] == pytest.approx(one[name], rel=1e-4, abs=1e-6)


class TestSequences:
    """Layers that treat the steps of a sequence alike, or let them look at each other."""

    @pytest.mark.parametrize(
        "layers",
        [
            [("LayerNorm", {}), ("Tanh", {})],
            [
                ("LayerNorm", {"elementwise_affine": False}),
                ("GELU", {}),
                ("Linear", {"out_features": 5, "bias": False}),
            ],
            [("SinusoidalPositions", {}), ("LayerNorm", {"eps": 0.1}), ("ReLU", {}), ("Dropout", {"p": 0.2})],
        ],
        ids=["norm", "plain norm", "waves"],
    )
    @pytest.mark.parametrize("batch", [7, 32])
    def test_layers_of_single_steps(self, layers: list[tuple[str, dict[str, Any]]], batch: int):
        net = chain(("Input", {"shape": (24, 1)}), ("Linear", {"out_features": 8}), *layers, ("Mean", {}),
                    ("LayerNorm", {}), ("Linear", {"out_features": 1}), ("Output", {}))  # fmt: skip
        assert_alike(*both(40, net, "sunspots", optimizer="momentum", knobs={"lr": 0.02, "batch_size": batch}))

    @settings(max_examples=12, deadline=None)
    @given(st.sampled_from([(2, 12), (3, 8), (6, 4), (1, 24)]), st.integers(1, 40), st.booleans(), st.booleans(),
           st.sampled_from(["relu", "gelu"]), st.sampled_from([1, 9, 16, 40]), st.data())  # fmt: skip
    def test_encoder_layers_of_any_form(self, shape, hidden, causal, norm_first, activation, batch, data):
        heads = data.draw(st.sampled_from([k for k in (1, 2, 3, 4) if shape[1] % k == 0]))
        form = {"num_heads": heads, "dim_feedforward": hidden, "causal": causal, "norm_first": norm_first,
                "activation": activation, "dropout": 0.0}  # fmt: skip
        net = chain(("Input", {"shape": (24, 1)}), ("Flatten", {}), ("Unflatten", {"shape": shape}),
                    ("TransformerEncoderLayer", form), ("LearnedPositions", {}), ("TransformerEncoderLayer", form),
                    ("Flatten", {}), ("Linear", {"out_features": 1}), ("Output", {}))  # fmt: skip
        knobs = {"lr": 0.01, "batch_size": batch, "clip_norm": 1.0}
        assert_alike(*both(12, net, "sunspots", optimizer="momentum", knobs=knobs))

    def test_words_are_looked_up_and_observers_see_the_same(self):
        reference, native = both(20, words(), "sentiment", every=10, optimizer="sgd", knobs={"batch_size": 20})
        assert_alike(reference, native)
        seen = [next(e.body for e in advance(t, 10) if e.kind == "layers") for t in (reference, native)]
        for name, values in seen[0].items():
            for a, b in zip(values, seen[1][name], strict=True):
                assert (a is None and b is None) or b == pytest.approx(a, rel=1e-3, abs=1e-5)

    def test_a_row_that_is_no_number_is_told_as_in_the_reference(self):
        found = []
        for lane in ("eager", "native"):
            training = make(words(), "sentiment", lane=lane)
            training.flat.weights[0] = torch.nan  # of the row of words that are not there
            with pytest.raises(RunFault) as fault:
                advance(training, 10)
            found.append((fault.value.reason, fault.value.node, training.step))
        assert found[0] == found[1]
        assert found[0][1] == "embedding_1"

    def test_a_word_without_a_row_is_left_to_the_reference(self):
        with pytest.raises(Unfit, match="name no row"):
            make(words(rows=50), "sentiment", lane="native")

    @pytest.mark.parametrize(
        ("features", "batch", "taken"),
        [(64, 32, True), (64, 4, False), (16, 4, True), (256, 32, True), (512, 32, False)],
    )
    def test_wide_transformers_and_small_batches_are_left_to_pytorch(self, features: int, batch: int, taken: bool):
        lane = make(words(features, {"dim_feedforward": 4 * features}), "sentiment", lane="auto",
                    knobs={"batch_size": batch}).lane  # fmt: skip
        assert lane.name == ("native" if taken else "lean")
        assert taken or "transformer layers" in lane.reason

    @pytest.mark.parametrize(("steps", "taken"), [(64, True), (1024, False)])
    def test_attention_over_long_sequences_is_left_to_pytorch(self, steps: int, taken: bool):
        layer = Layer(kind=ENCODER, steps=steps, features=64, hidden=256, heads=4)
        net = Layout((layer, layer), {}, {}, (), (), 64 * steps, 64 * steps, 0, 0)
        with nullcontext() if taken else pytest.raises(Unfit, match="so long"):
            worth.check(net, 32)


def words(features: int = 8, form: dict[str, Any] | None = None, rows: int = 2000) -> Graph:
    """From sentences (40,) to two classes."""
    own = {"num_heads": 2, "dim_feedforward": 12, "dropout": 0.0, **(form or {})}
    return chain(("Input", {"shape": (40,), "dtype": "int64"}),
                 ("Embedding", {"num_embeddings": rows, "embedding_dim": features}), ("LearnedPositions", {}),
                 ("TransformerEncoderLayer", own), ("Mean", {}), ("Linear", {"out_features": 2}),
                 ("Output", {}))  # fmt: skip


class TestLean:
    """Attention of a sequence to itself, without copies."""

    @pytest.mark.parametrize(
        "own",
        [{}, {"dropout": 0.3}, {"norm_first": True, "activation": "gelu"}],
        ids=["plain", "dropout", "norm first"],
    )
    @pytest.mark.parametrize("type_", ["TransformerEncoderLayer", "TransformerDecoderLayer"])
    def test_transformers_train_as_in_the_reference(self, type_: str, own: dict[str, Any]):
        net, data = transformer(type_, {"dim_feedforward": 16, "dropout": 0.0, **own}), load(DataRef("sunspots"))
        found, first = {}, {}
        for lane in ("eager", "lean"):
            found[lane] = make(net, data, lane=lane, optimizer="momentum", knobs={"lr": 0.01, "batch_size": 16})
            advance(found[lane], 1)
            first[lane] = found[lane].report.losses
            advance(found[lane], 59)
        assert first["eager"] == first["lean"], "forward they are the same to the bit"
        assert_alike(found["eager"], found["lean"])

    def test_it_is_chosen_where_there_is_attention_and_leaves_the_modules_as_they_were(self):
        training = make(transformer("TransformerDecoderLayer", {"dropout": 0.0}), "sunspots", lane="auto")
        assert training.lane.name == "lean"
        assert make(transformer("TransformerEncoderLayer", {}), "sunspots", lane="auto").lane.name == "eager"
        advance(training, 2)
        assert all("forward" not in vars(m) for m in training.model.modules())


def transformer(type_: str, params: dict[str, Any]) -> Graph:
    """From the sunspots (24, 1) to one number."""
    graph = chain(("Input", {"shape": (24, 1)}), ("Linear", {"out_features": 8}), ("LearnedPositions", {}),
                  (type_, {"num_heads": 2, **params}), ("Mean", {}), ("Linear", {"out_features": 1}),
                  ("Output", {}))  # fmt: skip
    if type_ == "TransformerDecoderLayer":
        node = next(n for n in graph.nodes if n.type == type_)
        graph = replace(graph, edges=(*graph.edges, Edge(graph.inputs(node.id)[0].source, node.id, 1)))
    return graph
