from __future__ import annotations

from contextvars import copy_context

import pytest
import torch

from builder.diagnostic import Refused
from engine import device
from engine.config import SETTINGS
from engine.faults import RunFault
from tests.engine.drawn import finish, make

CHOICES = next(p.choices for p in SETTINGS if p.name == "device")


def present() -> str | None:
    return torch.accelerator.current_accelerator().type if torch.accelerator.is_available() else None


def test_auto_takes_the_accelerator_if_there_is_one():
    assert device.choose("auto").type == (present() or "cpu")


def test_the_cpu_can_always_be_had():
    assert device.choose("cpu") == torch.device("cpu")


@pytest.mark.parametrize("wanted", [c for c in CHOICES if c not in ("auto", "cpu")])
def test_a_device_that_is_not_there_is_refused_in_plain_words(wanted: str):
    if wanted == present():
        assert device.choose(wanted).type == wanted
        return
    with pytest.raises(Refused) as refused:
        make(device=wanted)
    (problem,) = refused.value.diagnostics
    assert (problem.code, problem.field) == ("device/missing", "device")
    assert problem.text == (
        f"This run needs {device.WORDS[wanted]}, and this machine has none that PyTorch can use. "
        "Set the device to 'auto' or 'cpu'."
    )


def test_the_choice_is_told_with_its_name():
    started = make(device="cpu").started().body
    assert started["device"] == "cpu"
    assert started["device_name"].startswith("CPU (")


def test_training_leaves_the_settings_of_torch_as_it_found_them():
    before = torch.get_num_threads()
    with device.tuned():
        assert torch.get_num_threads() == 1
        assert float(torch.tensor(1e-39) * 0.5) == 0.0
    assert torch.get_num_threads() == before
    assert float(torch.tensor(1e-39) * 0.5) > 0.0


def test_a_training_sets_no_context_variable_and_so_can_be_collected_at_any_time():
    settings = dict(copy_context())
    run = make(steps=3).run()
    next(run)
    assert dict(copy_context()) == settings
    run.close()
    assert dict(copy_context()) == settings


def test_a_step_beyond_all_numbers_is_looked_at_without_a_warning(recwarn: pytest.WarningsRecorder):
    training = make(every=1, lane="eager", loss="mse", optimizer="sgd", knobs={"lr": 10.0})
    with pytest.raises(RunFault):
        finish(training)
    assert training.step > 0
    assert not [w for w in recwarn if w.category is RuntimeWarning]


def test_the_random_state_survives_text():
    torch.manual_seed(5)
    state = device.random_state(torch.device("cpu"))
    first = torch.randn(3)
    device.restore_random_state(torch.device("cpu"), state)
    assert torch.equal(torch.randn(3), first)
