"""Several Inputs and Outputs, any target and any loss: against plain loops and torch's own functions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributions import Normal, kl_divergence

from builder.compile import compile_graph
from builder.diagnostic import Refused
from builder.graph import Graph
from builder.infer import infer
from engine.checkpoint import Checkpoint
from engine.config import SETTINGS, DataRef, TrainConfig
from engine.data import Dataset
from engine.events import Event
from engine.goals import ends
from engine.knobs import OUTPUT
from engine.lanes.native.layout import Unfit
from engine.loop import Training
from engine.losses import LOSSES
from engine.metrics import iou, r2
from engine.replicas.variants import check, variants
from tests.engine.drawn import MLP, advance, make, same, weights
from tests.engine.ends import (
    AUTOENCODER,
    CASES,
    IMAGE,
    IMAGE_DATA,
    MASK,
    MASK_DATA,
    NEXT,
    PAINTER,
    TAGGER,
    TEXT,
    TEXT_DATA,
    TWO,
    TWO_DATA,
    VAE,
    VAE_DATA,
    data,
    field,
    net,
)

each_case = pytest.mark.parametrize("case", CASES)
QUIET = {"optimizer": "sgd", "knobs": {"lr": 0.1, "batch_size": 16}}


def training_of(case: str, **settings: Any) -> Training:
    graph, dataset = CASES[case]
    return make(graph, dataset, **settings)


def first_loss(graph: Graph, dataset: Dataset, **settings: Any) -> tuple[float, Training, list[Tensor], list[Tensor]]:
    """The loss of the first batch as the engine has it, and the examples of that batch by field."""
    training = make(graph, dataset, **settings)
    twin = make(graph, dataset, **settings).batches
    inputs, targets = twin.next(int(training.tuning.values["batch_size"]))
    torch.manual_seed(training.config.seed)
    return training.backward(), training, inputs, targets


def points(events: list[Event]) -> list[dict[str, Any]]:
    return [e.body for e in events if e.kind == "point"]


def test_two_inputs_and_two_outputs_train_as_in_a_plain_loop() -> None:
    graph = TWO.set_params("drop", {"p": 0.0})
    training = make(graph, TWO_DATA, **QUIET)
    model = compile_graph(graph, training.config.seed).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    twin = make(graph, TWO_DATA, **QUIET).batches
    for _ in range(20):
        advance(training, 1)
        (a, b), (kind, size) = twin.next(16)
        scores, value = model(a, b)
        loss = F.cross_entropy(scores, kind) + 0.5 * F.mse_loss(value, size)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert same(weights(training), model.state_dict())


def test_each_point_has_every_output_and_the_sum_with_todays_weights() -> None:
    training = make(TWO, TWO_DATA, every=1)
    body = points(advance(training, 1))[0]
    assert list(body["outputs"]) == ["out_kind", "out_size"]
    for part in ("train", "val"):
        kind, size = (body["outputs"][id][f"{part}_loss"] for id in ("out_kind", "out_size"))
        assert body[f"{part}_loss"] == pytest.approx(kind + 0.5 * size, rel=1e-6)
        assert body[f"{part}_metric"] == body["outputs"]["out_kind"][f"{part}_metric"]
    training.set("weight:out_size", 0.0)
    body = points(advance(training, 1))[0]
    assert body["val_loss"] == body["outputs"]["out_kind"]["val_loss"]
    scores, value = training.model.eval()(*(torch.from_numpy(f.val) for f in TWO_DATA.inputs))
    assert body["outputs"]["out_size"]["val_metric"] == pytest.approx(
        r2(value.detach(), torch.from_numpy(TWO_DATA.targets[1].val)), rel=1e-6
    )
    hits = (scores.argmax(1).numpy() == TWO_DATA.targets[0].val).mean()
    assert body["outputs"]["out_kind"]["val_metric"] == pytest.approx(hits)


def test_one_output_has_no_list_of_outputs_and_no_weight() -> None:
    training = make(every=1)
    assert "outputs" not in training.started().body
    assert "outputs" not in points(advance(training, 1))[0]
    assert not [name for name in training.tuning.values if name.startswith("weight:")]


def test_the_start_of_a_run_names_its_outputs() -> None:
    told = make(VAE, VAE_DATA).started().body
    assert told["outputs"] == [
        {"id": "y", "label": "", "target": "x", "loss": "mse", "metric": "r2"},
        {"id": "prior", "label": "", "target": None, "loss": "kl", "metric": None},
    ]
    assert (told["task"], told["metric"], told["classes"]) == ("regression", "r2", [])
    assert (told["baseline"], told["guess"]) == (None, None)


def test_a_weight_of_zero_lets_its_output_teach_nothing() -> None:
    training = make(TWO, TWO_DATA, **QUIET)
    training.set("weight:out_size", 0.0)
    before = weights(training)
    advance(training, 5)
    after = weights(training)
    assert torch.equal(before["size.weight"], after["size.weight"])
    assert not torch.equal(before["kind.weight"], after["kind.weight"])


def test_copies_of_a_run_may_differ_in_the_weight_of_an_output() -> None:
    assert check(2, {"weight:prior": [0.0, 0.1]}) == []
    config = TrainConfig(DataRef("iris"), copies=2, vary={"weight:prior": [0.0, 0.1]})
    assert [dict(each.knobs) for each in variants(config)] == [{"weight:prior": 0.0}, {"weight:prior": 0.1}]


def test_an_autoencoder_is_compared_with_what_went_in() -> None:
    loss, training, (x,), _ = first_loss(AUTOENCODER, IMAGE_DATA)
    assert loss == pytest.approx((F.mse_loss(training.model(x), x.flatten(1))).item(), rel=1e-6)
    body = points(advance(make(AUTOENCODER, IMAGE_DATA, every=50, knobs={"lr": 0.02}), 400))
    assert body[-1]["train_loss"] < 0.8 * body[0]["train_loss"]
    assert body[-1]["train_metric"] == pytest.approx(1 - body[-1]["train_loss"], abs=0.05)  # standardised: variance 1


def test_a_picture_may_be_given_as_a_picture_or_in_one_row() -> None:
    folded = AUTOENCODER.remove("y").add(*_behind("wide", "Unflatten", {"shape": (1, 4, 4)}))
    folded = folded.add(*_behind("unflatten_1", "Output", {"target": "image"}))
    assert first_loss(folded, IMAGE_DATA)[0] == first_loss(AUTOENCODER, IMAGE_DATA)[0]


def _behind(source: str, type_: str, params: dict[str, object]) -> Any:
    more = net((f"{type_.lower()}_1", type_, params, source))
    return more.nodes[0], more.edges


def test_noise_disturbs_what_goes_in_and_never_what_it_is_compared_with() -> None:
    knobs = {"input_noise": 0.5}
    loss, training, (x,), targets = first_loss(AUTOENCODER, IMAGE_DATA, knobs=knobs)
    torch.manual_seed(training.config.seed)
    disturbed = x + 0.5 * torch.randn_like(x)
    assert loss == pytest.approx((F.mse_loss(training.model(disturbed), x.flatten(1))).item(), rel=1e-6)
    assert torch.equal(targets[0], x)


def test_tokens_are_left_alone_by_noise() -> None:
    quiet, noisy = (first_loss(TAGGER, TEXT_DATA, knobs={"input_noise": sigma})[0] for sigma in (0.0, 1.0))
    assert quiet == noisy


def test_a_vae_adds_the_divergence_that_torch_computes() -> None:
    loss, training, (x,), _ = first_loss(VAE, VAE_DATA)
    torch.manual_seed(training.config.seed)
    redrawn, gaussian = training.model(x)
    mean, log_variance = gaussian.chunk(2, 1)
    prior = kl_divergence(Normal(mean, (log_variance / 2).exp()), Normal(0.0, 1.0)).sum(1).mean()
    assert loss == pytest.approx((F.mse_loss(redrawn, x) + 0.1 * prior).item(), rel=1e-5)


def test_padding_counts_neither_in_the_loss_nor_in_the_accuracy() -> None:
    loss, training, (x,), (y,) = first_loss(TAGGER, TEXT_DATA)
    scores = training.model(x)
    assert loss == pytest.approx((F.cross_entropy(scores.flatten(0, 1), y.flatten(), ignore_index=0)).item(), rel=1e-6)
    body = points(advance(make(TAGGER, TEXT_DATA, every=1), 1))[0]
    trained = make(TAGGER, TEXT_DATA)
    advance(trained, 1)
    said = trained.model.eval()(torch.from_numpy(TEXT.val)).argmax(2).numpy()
    counted = [(a, b) for a, b in zip(said.flat, NEXT.val.flat, strict=True) if b != 0]
    assert len(counted) < said.size
    assert body["val_metric"] == pytest.approx(np.mean([a == b for a, b in counted]), rel=1e-6)


@pytest.mark.parametrize("name", [name for name in LOSSES if name != "cross_entropy"])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_other_losses_take_the_classes_of_each_position_that_counts_as_one_hot(name: str, smoothing: float) -> None:
    loss, training, (x,), (y,) = first_loss(TAGGER, TEXT_DATA, loss=name, knobs={"label_smoothing": smoothing})
    scores = training.model(x)
    rows = [(scores[i, t], int(y[i, t])) for i in range(len(y)) for t in range(5) if y[i, t] != 0]
    hot = torch.zeros(len(rows), 7)
    for row, (_, label) in zip(hot, rows, strict=True):
        row[label] = 1.0
    slow = LOSSES[name].compute(torch.stack([s for s, _ in rows]), hot, smoothing)
    assert loss == pytest.approx((slow).item(), rel=1e-5)


def test_a_class_at_each_pixel_is_scored_by_what_both_have_in_common() -> None:
    loss, training, (x,), (y,) = first_loss(PAINTER, MASK_DATA, knobs={"label_smoothing": 0.1})
    scores = training.model(x)
    pixels = [(scores[i, :, r, c], y[i, r, c]) for i in range(len(y)) for r in range(4) for c in range(4)]
    counted = [(s, label) for s, label in pixels if label != 2]
    slow = [F.cross_entropy(s[None], label[None], label_smoothing=0.1) for s, label in counted]
    assert loss == pytest.approx((torch.stack(slow).mean()).item(), rel=1e-5)
    trained = make(PAINTER, MASK_DATA, every=1)
    body = points(advance(trained, 1))[0]
    said = trained.model.eval()(torch.from_numpy(MASK_DATA.inputs[0].val)).argmax(1).numpy()
    assert body["val_metric"] == pytest.approx(slow_iou(said, MASK.val), rel=1e-6)


def slow_iou(said: np.ndarray, true: np.ndarray, ignore: int = 2) -> float:
    shares = []
    for kind in range(3):
        pairs = [(a == kind, b == kind) for a, b in zip(said.flat, true.flat, strict=True) if b != ignore]
        either = sum(a or b for a, b in pairs)
        if either:
            shares.append(sum(a and b for a, b in pairs) / either)
    return sum(shares) / len(shares)


def test_a_class_that_occurs_nowhere_has_no_part_in_the_mean() -> None:
    true = torch.tensor([[0, 0], [2, 2]])
    assert iou(torch.tensor([[0, 2], [2, 2]]), true) == pytest.approx((1 / 2 + 2 / 3) / 2)


def test_a_class_at_each_pixel_takes_other_losses_too() -> None:
    loss, training, (x,), (y,) = first_loss(PAINTER, MASK_DATA, loss="mse")
    scores = training.model(x).movedim(1, -1)[y != 2]
    assert loss == pytest.approx((F.mse_loss(scores, F.one_hot(y[y != 2], 3).float())).item(), rel=1e-6)


def test_a_lone_class_may_be_unknown_in_some_examples() -> None:
    known = field("known", kinds=3)
    known.train[:40] = known.val[:10] = 0
    dataset = data((IMAGE,), (known.__class__(**{**vars(known), "ignore": 0}),))
    graph = AUTOENCODER.set_params("wide", {"out_features": 3}).set_params("y", {"target": ""})
    loss, training, (x,), (y,) = first_loss(graph, dataset)
    assert 0 < int((y == 0).sum()) < len(y)
    assert loss == pytest.approx((F.cross_entropy(training.model(x), y, ignore_index=0)).item(), rel=1e-6)


@each_case
def test_a_run_that_was_cut_off_goes_on_to_the_same_bits(case: str, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"steps": 30, "knobs": {"input_noise": 0.1, "batch_size": 20}}
    whole = training_of(case, **settings)
    advance(whole, 30)
    half = training_of(case, **settings)
    advance(half, 13)
    half.checkpoint().save(tmp_path, "last")
    torch.manual_seed(99)
    again = training_of(case, resume=Checkpoint.load(tmp_path, "last"), **settings)
    advance(again, 17)
    assert same(weights(whole), weights(again))


@each_case
def test_watching_changes_nothing(case: str) -> None:
    found = []
    for watch in (True, False):
        training = training_of(case, watch=watch, every=3, knobs={"input_noise": 0.1})
        advance(training, 12)
        found.append(weights(training))
    assert same(*found)


@pytest.mark.parametrize("loss", ["mse", "mae", "huber"])
def test_the_fast_kernel_trains_an_autoencoder_as_pytorch_does(loss: str) -> None:
    settings: dict[str, Any] = {"loss": loss, "optimizer": "sgd", "steps": 60}
    knobs = {"lr": 0.05, "batch_size": 20, "input_noise": 0.2, "label_smoothing": 0.3}
    found = []
    for lane in ("eager", "native"):
        training = make(AUTOENCODER, IMAGE_DATA, lane=lane, knobs=knobs, **settings)
        advance(training, 60)
        found.append(training.flat.weights)
    torch.testing.assert_close(*found, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("case", [case for case in CASES if case != "autoencoder"])
def test_the_fast_kernel_leaves_the_rest_to_pytorch_and_says_why(case: str) -> None:
    with pytest.raises(Unfit, match="one Input and one Output"):
        training_of(case, lane="native")
    assert "PyTorch takes every network" in training_of(case, lane="auto").lane.reason


@each_case
def test_where_numbers_break_down_the_layer_is_named(case: str) -> None:
    training = training_of(case, knobs={"lr": 0.1})
    broken = list(training.model.parameters())[-1]
    with torch.no_grad():
        broken.fill_(float("nan"))
    with pytest.raises(Exception, match="Training stopped at step 1") as stopped:
        advance(training, 1)
    assert stopped.value.node == training.flat.layers[-1]  # type: ignore[attr-defined]


class TestGoals:
    def found(self, graph: Graph, dataset: Dataset, loss: str = "auto") -> list[tuple[str | None, str]]:
        return [(g.field and g.field.name, g.loss) for g in ends(infer(graph), dataset, loss).goals]

    def test_outputs_take_the_targets_in_their_order(self) -> None:
        assert self.found(TWO, TWO_DATA) == [("class", "cross_entropy"), ("value", "mse")]

    def test_an_output_without_a_target_takes_none_away(self) -> None:
        graph = VAE.set_params("y", {"target": ""})
        graph = Graph((*graph.nodes[:-2], graph.nodes[-1], graph.nodes[-2]), graph.edges)
        assert self.found(graph, VAE_DATA) == [(None, "kl"), ("class", "cross_entropy")]

    def test_the_setting_holds_where_it_fits_and_what_is_usual_elsewhere(self) -> None:
        assert self.found(TWO, TWO_DATA, "bce") == [("class", "bce"), ("value", "mse")]
        assert self.found(TWO, TWO_DATA, "huber") == [("class", "huber"), ("value", "huber")]
        assert self.found(TWO.set_params("out_size", {"loss": "mae"}), TWO_DATA, "bce") == [
            ("class", "bce"),
            ("value", "mae"),
        ]

    def test_a_setting_that_fits_nowhere_is_kept_so_that_it_can_be_told(self) -> None:
        assert self.found(AUTOENCODER, IMAGE_DATA, "bce") == [("image", "bce")]
        with pytest.raises(Refused, match="needs classes"):
            make(AUTOENCODER, IMAGE_DATA, loss="bce")

    def test_what_is_not_there_is_left_open_and_refused(self) -> None:
        assert self.found(AUTOENCODER.set_params("y", {"target": "colour"}), IMAGE_DATA) == [(None, "mse")]
        with pytest.raises(Refused, match="The data has nothing for b"):
            make(TWO, VAE_DATA)

    def test_an_output_offers_the_losses_of_the_settings_and_one_without_a_target(self) -> None:
        setting, own = (next(p for p in params if p.name == "loss").choices for params in (SETTINGS, OUTPUT.params))
        assert own == (*setting, "kl")

    def test_a_drawing_without_wishes_asks_for_the_first_of_everything(self) -> None:
        assert [f.field is IMAGE for f in ends(infer(PAINTER), MASK_DATA).feeds] == [True]


def test_most_networks_are_still_taken_by_the_fast_kernel() -> None:
    assert make(MLP).objective.plain
    assert not make(AUTOENCODER, IMAGE_DATA).objective.plain
    assert isinstance(make(MLP).model, nn.Module)
