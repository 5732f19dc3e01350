"""Every lane computes what the reference computes: plain PyTorch, a batch at a time."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from builder import templates
from builder.infer import infer
from engine import knobs
from engine.batches import Batches
from engine.checkpoint import Checkpoint
from engine.config import SETTINGS, DataRef
from engine.data import Dataset, load
from engine.events import Event
from engine.lanes import choice
from engine.lanes.eager import Eager
from engine.lanes.native import build
from engine.lanes.native.lane import KNOBS, Native
from engine.loop import Training
from tests.engine.drawn import (
    RELU,
    Patient,
    advance,
    chain,
    finish,
    make,
    same,
    table,
    trained,
    weights,
    with_input,
)
from tests.engine.lanes import TOLERANCE, assert_alike, both, image, unfit

pytestmark = pytest.mark.skipif(build.compiler() is None, reason="there is no C compiler here")


@pytest.fixture(scope="module", autouse=True)
def compiled() -> None:
    build.made()


OPTIMIZERS = next(p.choices for p in SETTINGS if p.name == "optimizer")
REGULAR = {"l1": 1e-3, "l2": 1e-2, "elastic": 1e-3, "elastic_mix": 0.3, "weight_decay": 0.05}
CLIPPED = {"clip_value": 0.02, "clip_norm": 0.05, "label_smoothing": 0.1, "batch_size": 7}
GROUPED = image(("GroupNorm", {"num_groups": 3}), ("ReLU", {}))
BOTH_WAYS = chain(
    ("Input", {"shape": (24, 1)}), ("GRU", {"bidirectional": True}), ("Linear", {"out_features": 1}), ("Output", {})
)
NOISY = {"input_noise": 0.2, "dropout": 0.4, "batch_size": 33}


def stridden(training: Training, steps: int) -> list[Event]:
    """Trains to ``steps`` in calls of many batches."""
    training.stride.seconds = 0.005
    training.config = training.config.__class__(**{**training.config.__dict__, "steps": steps})
    return finish(training)


# With batch norm many layers deep. There, within the reference, moving one weight by 1e-7 moves others by 1e-5 of the
# largest in 10 to 20 steps.
DEEP = ("plain20", "resnet20", "residual_cnn", "densenet")


class TestSameNumbers:
    @pytest.mark.parametrize("template", templates.TEMPLATES, ids=lambda t: t.name)
    def test_every_template_trains_alike_or_says_why_it_is_not_taken(self, template: templates.Template):
        graph, data = templates.load(template.name), load(DataRef(template.dataset, template.options))
        clipped = {"lr": 0.01, "clip_norm": 0.1}  # or the one that is to explode does
        if reason := unfit(graph, data):
            auto = make(graph, data, lane="auto").lane
            assert auto.name != "native"
            assert auto.reason.startswith(reason)
            if auto.name == "lean":
                assert_alike(*both(5, graph, data, lane="lean", optimizer="sgd", knobs=clipped))
            return
        steps = 5 if template.name in DEEP else 100 if infer(graph).flops < 1_000_000 else 20
        assert_alike(*both(steps, graph, data, optimizer="sgd", knobs=clipped))

    def test_most_templates_are_taken(self):
        taken = {
            t.name
            for t in templates.TEMPLATES
            if make(templates.load(t.name), t.dataset, lane="auto").lane.name == "native"
        }
        assert taken >= {
            "logistic_regression",
            "softmax_regression",
            "mlp",
            "spiral_mlp",
            "regression_mlp",
            "vanishing",
            "lenet5",
            "resnet20",
            "residual_cnn",
            "inception",
            "densenet",
            "rnn",
            "lstm",
            "gru",
            "autoencoder",
        }

    @pytest.mark.parametrize("optimizer", OPTIMIZERS)
    @pytest.mark.parametrize("own", [{}, REGULAR, CLIPPED, NOISY], ids=["plain", "regular", "clipped", "noisy"])
    def test_every_optimizer_and_regularizer(self, optimizer: str, own: dict[str, float]):
        lr = 0.001 if optimizer in ("rmsprop", "adam", "adamw") else 0.02
        assert_alike(*both(100, optimizer=optimizer, schedule="warmup_cosine", knobs={"lr": lr, **own}))

    def test_adams_step_whatever_size_its_averages_have(self):
        """The kernel estimates roots and quotients, of what is far too large as of what is nearly nothing."""
        found = []
        for lane in ("eager", "native"):
            training = make(optimizer="adam", lane=lane)
            mean, square = training.optimizer.state.values()
            sizes = torch.tensor([0, 1e-45, 1e-37, 1e-30, 1e-12, 0.3, 7e9, 9e36, 1.1e37, 1e38, float("inf")])
            square.copy_(sizes.repeat(len(square) // len(sizes) + 1)[: len(square)])
            mean.copy_(torch.linspace(-1, 1, len(mean)))
            before = training.flat.weights.clone()
            advance(training, 1)
            found.append(training.flat.weights - before)
        assert bool(found[0].isfinite().all())
        assert float(found[0].abs().max()) > 1e3  # where the average of squares is nearly nothing
        assert torch.allclose(found[1], found[0], rtol=1e-5, atol=1e-7)

    @pytest.mark.parametrize("loss", ["cross_entropy", "mse", "mae", "huber", "bce"])
    @pytest.mark.parametrize("smoothing", [0.0, 0.2])
    def test_every_loss_of_classes(self, loss: str, smoothing: float):
        knobs = {"lr": 0.01, "label_smoothing": smoothing}
        assert_alike(*both(50, loss=loss, optimizer="momentum", knobs=knobs))

    @pytest.mark.parametrize("loss", ["mse", "mae", "huber"])
    def test_every_loss_of_numbers(self, loss: str):
        net = chain(("Input", {"shape": (1,)}), ("Linear", {"out_features": 9}), ("Tanh", {}),
                    ("Linear", {"out_features": 1}), ("Output", {}))  # fmt: skip
        assert_alike(*both(100, net, line(), loss=loss, optimizer="sgd", knobs={"lr": 0.05, "batch_size": 5}))

    @pytest.mark.parametrize(
        ("type_", "params"),
        [("ReLU", {}), ("LeakyReLU", {"negative_slope": 0.2}), ("ELU", {"alpha": 0.7}), ("SELU", {}), ("SiLU", {}),
         ("Sigmoid", {}), ("Tanh", {}), ("Dropout", {"p": 0.3})],
    )  # fmt: skip
    def test_every_activation_wherever_it_stands(self, type_: str, params: dict[str, Any]):
        net = chain(("Input", {"shape": (2,)}), (type_, params), ("Linear", {"out_features": 17, "bias": False}),
                    (type_, params), (type_, params), ("Linear", {"out_features": 2}), (type_, params),
                    ("Output", {}))  # fmt: skip
        assert_alike(*both(60, net, optimizer="momentum", knobs={"lr": 0.05, "batch_size": 19}))

    @pytest.mark.parametrize(("width", "batch"), [(1, 1), (3, 16), (16, 5), (31, 32), (70, 64), (130, 100)])
    def test_sizes_that_fill_vectors_and_sizes_that_do_not(self, width: int, batch: int):
        net = chain(("Input", {"shape": (2,)}), ("Linear", {"out_features": width}), ("Tanh", {}),
                    ("Linear", {"out_features": width}), ("ReLU", {}), ("Linear", {"out_features": 2}),
                    ("Output", {}))  # fmt: skip
        assert_alike(*both(50, net, optimizer="sgd", knobs={"batch_size": batch}))

    def test_observers_see_the_same(self):
        reference, native = (
            [e.body for e in advance(make(every=10, lane=lane, optimizer="sgd"), 40) if e.kind == "layers"]
            for lane in ("eager", "native")
        )
        assert len(reference) == 4
        for theirs, ours in zip(reference, native, strict=True):
            for name, values in theirs.items():
                for a, b in zip(values, ours[name], strict=True):
                    assert (a is None and b is None) or b == pytest.approx(a, rel=1e-3, abs=1e-5)


def line() -> Dataset:
    x = np.linspace(-2, 2, 200)[:, None]
    return table(x, np.sin(x).astype(np.float32))


class TestChangingLanes:
    def test_changing_lanes_changes_nothing_but_the_speed(self):
        reference = make(knobs=NOISY)
        advance(reference, 90)
        mixed = make(knobs=NOISY)
        advance(mixed, 30)
        eager, mixed.lane = mixed.lane, Native(mixed, build.made())
        advance(mixed, 30)
        mixed.lane = eager
        advance(mixed, 30)
        most = float(reference.flat.weights.abs().max())
        assert float((reference.flat.weights - mixed.flat.weights).abs().max()) <= 10 * TOLERANCE * most
        assert mixed.optimizer.numbers == reference.optimizer.numbers

    def test_a_lane_that_is_ready_takes_over_between_two_batches_and_says_so(self):
        training = make(lane="eager")
        waiting = iter([None, None, Native(training, build.made())])
        training.lane.better = lambda: next(waiting)
        events = [e for e in advance(training, 5) if e.kind == "lane"]
        assert [(e.step, e.body["lane"]) for e in events] == [(2, "native")]
        assert training.step == 5

    def test_without_a_compiled_kernel_the_first_step_waits_for_no_compiler(self, monkeypatch: pytest.MonkeyPatch):
        ready = build.made()
        states = iter([None, None, ready])
        monkeypatch.setattr(build, "library", lambda: next(states))
        monkeypatch.setattr(build, "_going", {})
        monkeypatch.setattr(build, "Build", Compiling)
        training = make(lane="auto")
        assert (training.lane.name, training.lane.reason) == ("eager", choice.PREPARING)
        events = [e.body for e in advance(training, 4) if e.kind == "lane"]
        assert events == [{"lane": "eager", "reason": choice.FAILED}]

    def test_without_a_compiler_the_reason_says_what_to_install(self, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(build, "library", lambda: None)
        monkeypatch.setattr(build, "compiler", lambda: None)
        body = make(lane="auto").started().body
        assert (body["lane"], body["lane_reason"]) == ("eager", choice.NO_COMPILER)

    @pytest.mark.parametrize(
        ("graph", "data", "node"), [(GROUPED, "digits", "groupnorm_1"), (BOTH_WAYS, "sunspots", "gru_1")]
    )
    def test_what_the_kernel_does_not_have_runs_eagerly_with_the_layer_named(self, graph: Any, data: str, node: str):
        training = make(graph, data, lane="auto")
        assert isinstance(training.lane, Eager)
        assert f"'{node}'" in training.started().body["lane_reason"]

    @pytest.mark.parametrize(
        ("channels", "batch", "taken"), [(4, 32, True), (4, 1, True), (16, 64, True), (256, 64, False), (64, 8, False)]
    )
    def test_large_convolutions_are_left_to_pytorch_and_the_reason_says_so(
        self, channels: int, batch: int, taken: bool
    ):
        convs = [("Conv2d", {"out_channels": channels, "same_padding": True}), ("ReLU", {})] * 2
        lane = make(image(*convs), "digits", lane="auto", knobs={"batch_size": batch}).lane
        assert lane.name == ("native" if taken else "eager")
        assert taken or "convolutions" in lane.reason

    def test_an_lstm_that_does_not_fit_into_the_cache_is_left_to_pytorch(self):
        net = chain(("Input", {"shape": (24, 1)}), ("LSTM", {"hidden_size": 512}), ("Linear", {"out_features": 1}),
                    ("Output", {}))  # fmt: skip
        assert "512 units" in make(net, "sunspots", lane="auto").lane.reason

    def test_the_kernel_obeys_every_knob(self):
        assert {k.name for k in knobs.KNOBS} <= KNOBS


class Compiling:
    """A compilation that is running when first asked, and has then failed."""

    def __init__(self, compiler: str) -> None:
        self.states = iter([True, False])

    @property
    def running(self) -> bool:
        return next(self.states)


class TestManyBatchesPerCall:
    def test_calls_of_many_batches_give_the_bits_of_single_ones(self):
        single, many = make(lane="native", knobs=NOISY), make(lane="native", knobs=NOISY)
        torch.manual_seed(5)
        advance(single, 300)
        torch.manual_seed(5)
        stridden(many, 300)
        assert many.step == 300
        assert same(weights(single), weights(many))

    def test_watching_changes_no_bit(self):
        settings = {"lane": "native", "optimizer": "adam", "knobs": NOISY}
        assert same(trained(100, every=1, **settings), trained(100, watch=False, **settings))

    @pytest.mark.parametrize("optimizer", ["adam", "adamw"])  # which move while gradients are computed, if not watched
    @pytest.mark.parametrize(("width", "batch", "bias"), [(1, 1, True), (13, 5, False), (16, 33, True), (70, 64, True)])
    def test_watching_changes_no_bit_of_layers_of_any_size(self, optimizer: str, width: int, batch: int, bias: bool):
        dense = [("Linear", {"out_features": n, "bias": bias}) for n in (width, 2 * width, 3)]
        net = chain(("Input", {"shape": (2,)}), ("Tanh", {}), dense[0], ("ReLU", {}), dense[1], ("Dropout", {"p": 0.2}),
                    dense[2], ("Linear", {"out_features": 2}), ("Output", {}))  # fmt: skip
        settings = {"lane": "native", "optimizer": optimizer, "knobs": {"batch_size": batch}}
        trainings = [make(net, every=1, **settings), make(net, watch=False, **settings)]
        for training in trainings:
            torch.manual_seed(5)
            advance(training, 40)
        watched, unwatched = trainings
        assert same(weights(watched), weights(unwatched))
        assert torch.equal(watched.flat.gradient, unwatched.flat.gradient)

    def test_gradients_that_no_bound_finds_finite_give_the_same_bits(self):
        data = load(DataRef("spiral"))
        data = with_input(data, data.x_train * np.float32(1e36))
        settings = {"lane": "native", "loss": "mae", "optimizer": "adam", "knobs": {"lr": 1e-6}}
        watched, unwatched = (make(RELU, data, **settings, **own) for own in ({"every": 1}, {"watch": False}))
        for training in (watched, unwatched):
            advance(training, 20)
        assert float(unwatched.flat.gradient.abs().max()) > 1e33
        assert same(weights(watched), weights(unwatched))

    @pytest.mark.parametrize("optimizer", OPTIMIZERS)
    def test_a_hundred_steps_and_a_hundred_more_are_two_hundred_to_the_bit(self, optimizer: str):
        settings = {"lane": "native", "optimizer": optimizer, "schedule": "cosine", "knobs": NOISY}
        first = make(**settings)
        advance(first, 100)
        kept: Checkpoint = first.checkpoint()
        torch.manual_seed(99)
        second = make(**settings, resume=kept)
        advance(second, 100)
        assert same(weights(second), trained(200, **settings))

    def test_no_call_goes_past_what_is_due(self):
        training = make(lane="native", every=7, early_stopping=True, patience=50, steps=1000)
        training.stride.seconds = 10.0
        looked, validated = [], []
        for events in training.run():
            looked += [e.step for e in events if e.kind == "layers"]
            validated += [training.step] if training.stopping.due(training.step) else []
        assert looked == list(range(7, training.step + 1, 7))
        assert validated == list(range(10, training.step + 1, 10))

    def test_what_a_clock_asks_for_is_seen_in_the_last_batch_of_a_stride_as_it_is_there(self):
        settings = {"lane": "native", "steps": 300, "schedule": "cosine", "knobs": NOISY}
        single = make(**settings, every=1)
        alone = {(e.kind, e.step): e.body for e in finish(single) if e.kind in ("layers", "hist")}
        many = make(**settings)
        many.stride.seconds = 0.001
        many.report.pace = Patient(2)
        seen = {(e.kind, e.step): e.body for e in finish(many) if e.kind in ("layers", "hist")}
        assert 2 < len(seen) < len(alone) / 4
        assert seen == {key: alone[key] for key in seen}
        unwatched = make(**settings, watch=False)
        finish(unwatched)
        assert same(weights(many), weights(unwatched))

    def test_a_stride_that_is_too_long_gets_shorter_though_each_call_is_looked_at(self):
        training = make(lane="native", steps=10**6)
        training.report.pace, training.stride.seconds = Patient(1), 1.0
        while training.stride.count < 1000:
            training.stride.done(1000, 1e-6)
        training.stride.seconds = 1e-6
        next(training.run())
        assert training.step >= 1000
        assert training.stride.count == 1

    def test_without_a_stride_each_call_is_one_batch(self):
        training = make(lane="native")
        training.stride.seconds = 0.02
        run = training.run()
        for _ in range(8):
            next(run)
        training.stride.seconds = 0.0
        before = training.step
        next(run)
        assert training.step == before + 1


class TestBatches:
    @settings(max_examples=60, deadline=None)
    @given(st.integers(1, 40), st.lists(st.tuples(st.integers(1, 45), st.integers(1, 9)), min_size=1, max_size=6))
    def test_many_at_a_time_are_the_same_batches(self, n: int, takes: list[tuple[int, int]]):
        x = torch.arange(n)
        one, many = Batches([x], [x], 4), Batches([x], [x], 4)
        for size, count in takes:
            rows, bounds = many.rows(size, count)
            assert len(bounds) == count + 1
            for start, stop in pairwise(bounds):
                assert torch.equal(rows[start:stop], one.next(size)[0][0])
        assert one.state() == many.state()
