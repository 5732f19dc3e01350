from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterable

import pytest
import torch
from torch import Tensor

from engine.config import SETTINGS
from engine.flat import FlatParameters
from engine.optimizers import OPTIMIZERS
from engine.regularizers import decay
from tests.engine.drawn import make

LR = 0.01
Reference = Callable[[Iterable[Tensor]], torch.optim.Optimizer]
REFERENCES: dict[str, Reference] = {
    "sgd": lambda p: torch.optim.SGD(p, LR),
    "momentum": lambda p: torch.optim.SGD(p, LR, momentum=0.8),
    "nesterov": lambda p: torch.optim.SGD(p, LR, momentum=0.8, nesterov=True),
    "rmsprop": lambda p: torch.optim.RMSprop(p, LR, momentum=0.8),
    "adagrad": lambda p: torch.optim.Adagrad(p, LR),
    "adam": lambda p: torch.optim.Adam(p, LR, betas=(0.8, 0.999)),
    "adamw": lambda p: torch.optim.AdamW(p, LR, betas=(0.8, 0.999), weight_decay=0.0),
}


def gradients(n: int = 50) -> Tensor:
    """(n, 30) that differ in size by orders of magnitude, with zeros among them."""
    g = torch.randn(n, 30, generator=torch.Generator().manual_seed(0))
    scale = torch.logspace(-6, 1, 30)
    return g * scale * (torch.arange(30) % 7 != 0)


def test_every_optimizer_of_the_settings_has_its_row_and_its_reference():
    names = next(p.choices for p in SETTINGS if p.name == "optimizer")
    assert set(names) == OPTIMIZERS.keys() == REFERENCES.keys()


@pytest.mark.parametrize("name", list(OPTIMIZERS))
def test_fifty_steps_equal_torch_optim(name: str):
    start = torch.randn(30, generator=torch.Generator().manual_seed(1))
    ours, theirs = start.clone(), start.clone().requires_grad_()
    optimizer, reference = OPTIMIZERS[name](ours), REFERENCES[name]([theirs])
    for g in gradients():
        theirs.grad = g.clone()
        reference.step()
        optimizer.step(g, LR, 0.8)
    assert (ours - start).abs().max() > 1e-3
    torch.testing.assert_close(ours, theirs.detach(), rtol=1e-6, atol=1e-6)


def test_decoupled_decay_with_adam_is_adamw():
    layer = torch.nn.Linear(5, 6)
    copy = torch.nn.Linear(5, 6)
    copy.load_state_dict(layer.state_dict())
    groups = [{"params": [copy.weight]}, {"params": [copy.bias], "weight_decay": 0.0}]
    reference = torch.optim.AdamW(groups, LR, betas=(0.8, 0.999), weight_decay=0.3)
    flat = FlatParameters(torch.nn.ModuleDict({"linear": layer}), {"linear": "linear"})
    optimizer = OPTIMIZERS["adamw"](flat.weights)
    for g in gradients()[:, :30]:
        copy.weight.grad, copy.bias.grad = g.reshape(6, 5).clone(), g[:6].clone()
        reference.step()
        flat.gradient.copy_(torch.cat([g, g[:6]]))
        decay(flat, LR, {"weight_decay": 0.3})
        optimizer.step(flat.gradient, LR, 0.8)
    torch.testing.assert_close(layer.weight, copy.weight, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(layer.bias, copy.bias, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", ["adam", "adamw"])
def test_the_bias_correction_stays_exact_when_momentum_is_turned(name: str):
    """With a constant gradient the corrected mean is that gradient, whatever β₁ was on the way."""
    weights = torch.zeros(1)
    optimizer, gradient = OPTIMIZERS[name](weights), torch.ones(1)
    for momentum in (0.9, 0.9, 0.5, 0.99, 0.0, 0.9):
        before = weights.clone()
        optimizer.step(gradient, LR, momentum)
        assert (before - weights).item() == pytest.approx(LR, rel=1e-5)


def test_adamw_starts_with_the_decay_of_its_paper_unless_told_otherwise():
    assert make(optimizer="adamw").started().body["knobs"]["weight_decay"] == 0.01
    assert make(optimizer="adamw", knobs={"weight_decay": 0.0}).started().body["knobs"]["weight_decay"] == 0.0
    assert make(optimizer="adam").started().body["knobs"]["weight_decay"] == 0.0


@pytest.mark.parametrize("name", list(OPTIMIZERS))
def test_a_step_leaves_the_gradient_as_it_was(name: str):
    gradient = gradients(1)[0]
    before = gradient.clone()
    OPTIMIZERS[name](torch.ones(30)).step(gradient, LR, 0.9)
    assert torch.equal(gradient, before)


def test_a_training_does_not_pay_for_torch_optim():
    """Making a torch.optim optimizer imports torch._dynamo, which takes seconds that the first chart waits for."""
    code = (
        "import sys; from tests.engine.drawn import make, advance; advance(make(), 2);"
        "print([m for m in ('torch._dynamo', 'torch._inductor') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
