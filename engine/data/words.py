"""What a data set gives a network and asks of it, in plain words."""

from __future__ import annotations

from engine.data.spec import Dataset, Field


def gives(data: Dataset) -> str:
    """``image: a picture of 8 × 8`` for each input, by the name that an Input asks for."""
    return "; ".join(f"{f.name}: {given(f)}" for f in data.inputs)


def asks(data: Dataset) -> str:
    """``class: one of 10`` for each target, by the name that an Output asks for."""
    return "; ".join(f"{f.name}: {asked(f)}" for f in data.targets)


def given(field: Field) -> str:
    shape = field.spec.shape
    match field.spec.axes:
        case ("channel", "height", "width"):
            return f"{'a picture' if shape[0] == 1 else f'{shape[0]} planes'} of {shape[1]} × {shape[2]}"
        case ("time",):
            return f"up to {shape[0]} tokens of {field.kinds:,} kinds"
        case ("time", "feature"):
            return f"{shape[0]} steps of {numbers(shape[1])}"
        case _:
            return numbers(field.spec.numel)


def asked(field: Field) -> str:
    shape = field.spec.shape
    if field.task == "regression":
        return given(field)
    one = f"one of {field.kinds}"
    if not shape:
        return one
    if len(shape) == 1:
        return f"{one} at each of {shape[0]} places"
    return f"{one} at each of {' × '.join(map(str, shape))} pixels"


def numbers(n: int) -> str:
    return f"{n:,} number{'s' * (n != 1)}"
