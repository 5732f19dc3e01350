"""Which device a run computes on, and how a worker sets torch up for it."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from builder.diagnostic import Diagnostic, Refused

WORDS = {"cuda": "a CUDA graphics card", "mps": "an Apple graphics processor (MPS)"}


def choose(wanted: str) -> torch.device:
    """The device for the setting ``wanted``: "auto" takes the accelerator if there is one, else the CPU.

    Raises Refused if a device is asked for that this machine does not have.
    """
    found = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    if wanted == "cpu" or (wanted == "auto" and found is None):
        return torch.device("cpu")
    if found is not None and wanted in ("auto", found.type):
        return found
    raise Refused(missing(wanted))


def missing(wanted: str) -> Diagnostic:
    needs = WORDS.get(wanted, f"a device called {wanted!r}")
    what = f"This run needs {needs}, and this machine has none that PyTorch can use."
    return Diagnostic("device/missing", what, "Set the device to 'auto' or 'cpu'.", field="device")


def name(device: torch.device) -> str:
    """What a person calls the device, such as "NVIDIA H100" or the processor's type."""
    if device.type == "cpu":
        return f"CPU ({platform.machine()})"
    module = torch.get_device_module(device)
    return str(module.get_device_name(device)) if hasattr(module, "get_device_name") else device.type.upper()


@contextmanager
def tuned() -> Iterator[None]:
    """Within, torch is set up to train one small network beside others.

    One thread, since a second costs more in waiting than it gains on small layers and takes a core from the
    other runs. Denormals are flushed: an over-trained network is full of them and slows down by half.

    A training that nobody holds any more is left by the garbage collector, at any time. So nothing here may set a
    context variable, as NumPy's treatment of errors is one: where that interrupts the setting of another, Python
    crashes (CPython issue 148891).
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)
        torch.set_num_threads(threads)


def generators(device: torch.device) -> dict[str, torch.Tensor]:
    """The states of the generators that training on ``device`` draws from, by device type."""
    states = {"cpu": torch.get_rng_state()}
    if device.type != "cpu":
        states[device.type] = torch.get_device_module(device).get_rng_state()
    return states


@contextmanager
def drawing_from(device: torch.device, states: dict[str, torch.Tensor]) -> Iterator[None]:
    """Within, chance goes on from ``states``, which then hold where it has got to; outside, it is as it was."""
    outside = generators(device)
    _put(device, states)
    try:
        yield
    finally:
        states.update(generators(device))
        _put(device, outside)


def _put(device: torch.device, states: dict[str, torch.Tensor]) -> None:
    torch.set_rng_state(states["cpu"])
    if device.type in states and device.type != "cpu":
        torch.get_device_module(device).set_rng_state(states[device.type])


def random_state(device: torch.device) -> dict[str, str]:
    """The state of the generators that training draws from, as hexadecimal, by device type."""
    return {key: state.numpy().tobytes().hex() for key, state in generators(device).items()}


def restore_random_state(device: torch.device, states: dict[str, str]) -> None:
    """Puts back what ``random_state`` gave. A state of a device that is not used now is left alone."""
    for key, text in states.items():
        state = torch.frombuffer(bytearray.fromhex(text), dtype=torch.uint8)
        if key == "cpu":
            torch.set_rng_state(state)
        elif key == device.type:
            torch.get_device_module(device).set_rng_state(state)
