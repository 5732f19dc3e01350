"""Every template trains on its data with its settings, and does what it says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from builder.templates import BY_NAME, TEMPLATES, Template, load
from engine import data
from engine.data import Dataset, Field
from engine.loop import Training
from engine.pace import EveryN
from engine.preflight import preflight
from engine.share import config_from_json

EXAMPLES = 256  # to validate on: enough for a loss, and quick
STEPS = {"spiral_mlp": 2000, "bidirectional": 160, "gru": 120, "vgg": 60, "alexnet": 100, "seq2seq": 40, "gpt": 80,
         "transformer": 80, "plain20": 60, "resnet20": 40, "densenet": 40, "inception": 80, "mobilenet": 40,
         "denoising": 20, "unet": 100, "conv_autoencoder": 60}  # fmt: skip
ENOUGH = 80  # steps for the others
each_template = pytest.mark.parametrize("template", TEMPLATES, ids=lambda t: t.name)


def few(dataset: Dataset) -> Dataset:
    def cut(field: Field) -> Field:
        return replace(field, val=field.val[:EXAMPLES])

    return replace(dataset, inputs=tuple(map(cut, dataset.inputs)), targets=tuple(map(cut, dataset.targets)))


def training(name: str) -> Training:
    config = config_from_json(BY_NAME[name].config)
    return Training(load(name), config, few(data.load(config.data)), watch=False, pace=EveryN(10**9), lane="auto")


def losses(run: Training, *steps: int) -> list[float]:
    """The validation loss after so many steps."""
    found, batches = [], run.run()
    for step in steps:
        run.stride.seconds = 0.0
        while run.step < step:
            next(batches)
        found.append(run.evaluator.on_validation().loss)
    return found


def blind(field: Field) -> float:
    """The loss of the best answer that does not look at its input: the entropy of the classes, the variance."""
    if field.task == "regression":
        return float(field.val.astype(np.float64).var(axis=0).mean())
    counted = field.val[field.val != field.ignore] if field.ignore is not None else field.val.ravel()
    shares = np.bincount(counted) / counted.size
    return float(-(shares[shares > 0] * np.log(shares[shares > 0])).sum())


def goal(name: str, dataset: Dataset) -> float:
    """The loss that only a network which uses its input gets below."""
    named = next(n.params.get("target", "") for n in load(name).nodes if n.type == "Output")
    return blind(dataset.fields[named] if named else dataset.targets[0])


@each_template
def test_the_settings_of_a_template_are_those_of_a_run_that_preflight_has_nothing_against(template: Template) -> None:
    config = config_from_json(template.config)
    assert config.data.name == template.dataset
    assert preflight(load(template.name), config, data.load(config.data)) == ()


@pytest.mark.parametrize("name", [n for n in BY_NAME if n not in ("vanishing", "exploding")])
def test_a_short_training_beats_what_can_be_said_without_looking(name: str) -> None:
    run = training(name)
    (reached,) = losses(run, STEPS.get(name, ENOUGH))
    assert reached < 0.93 * goal(name, run.data)


def test_the_vanishing_one_learns_nothing_where_the_selu_net_of_like_depth_learns() -> None:
    """Both are stacks on the circle; the cures are in the notes of the templates."""
    vanishing, selu = training("vanishing"), training("selu")
    reached = goal("vanishing", vanishing.data)
    assert losses(vanishing, 300)[0] > 0.97 * reached
    assert losses(selu, 100)[0] < 0.5 * reached


def test_the_exploding_one_begins_a_thousand_times_too_far_off() -> None:
    run = training("exploding")
    assert losses(run, 1)[0] > 1000 * goal("exploding", run.data)


def test_resnet_20_learns_faster_than_the_plain_network_of_its_depth() -> None:
    plain, residual = (losses(training(name), 50)[0] for name in ("plain20", "resnet20"))
    assert residual < 0.8 * plain


def test_the_memory_network_answers_from_the_latest_sentence_about_who_is_asked_for() -> None:
    run = training("memory_network")
    losses(run, 300)
    story, question = (torch.from_numpy(f.val) for f in run.data.inputs)
    seen: dict[str, torch.Tensor] = {}
    run.model.eval()(story, question, tap=lambda node, x: seen.update({node: x}))
    about = story.view(-1, 4, 5)[:, :, 0] == question[:, 2:]
    latest = 3 - about.flip(1).int().argmax(1)
    assert (seen["softmax_1"][:, 0].argmax(1) == latest).float().mean() > 0.95
    assert run.evaluator.on_validation().metric > 0.97 > run.data.baseline.score + 0.3


def test_a_denoising_autoencoder_is_asked_for_the_clean_image_behind_the_noise() -> None:
    run = training("denoising")
    assert run.tuning.values["input_noise"] > 0
    (output,) = (n for n in load("denoising").nodes if n.type == "Output")
    assert run.data.fields[output.params["target"]] is run.data.inputs[0]


def test_the_codes_of_the_vae_stay_near_the_normal_distribution() -> None:
    """The second output is the KL divergence in nats: more than nothing, or the code says nothing; and bounded."""
    graph = load("vae")
    weight = next(n.params["weight"] for n in graph.nodes if n.params.get("loss") == "kl")
    heavy = replace(graph, nodes=tuple(_weighing(n, 100 * weight) for n in graph.nodes))
    found = []
    for each in (graph, heavy):
        run = training("vae")
        run = Training(each, run.config, run.data, watch=False, pace=EveryN(10**9))
        losses(run, 150)
        found.append(run.evaluator.on_validation())
    light, strong = (score.each["output_2"][0] for score in found)
    assert strong < 0.2 * light
    assert 1 < light < 100


def _weighing(node, weight):  # type: ignore[no-untyped-def]
    return replace(node, params={**node.params, "weight": weight}) if node.params.get("loss") == "kl" else node
