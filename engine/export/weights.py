"""The weights of a run as a safetensors file with the keys of model.py. No torch: a file is a header and bytes.

Format: 8 bytes little-endian length, then JSON ``{name: {dtype, shape, data_offsets}}``, then the tensors
(https://github.com/huggingface/safetensors#format).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

from builder.diagnostic import Diagnostic, Refused
from engine.store import RunFolder

Which = Literal["last", "best"]
MAX_HEADER = 100_000_000  # what the safetensors library takes


@dataclass(frozen=True, eq=False)
class Weights:
    """``content`` is the file; ``step`` says how many batches they come from."""

    content: bytes
    step: int


def read(run: RunFolder, which: Which = "last") -> Weights:
    """The weights of a checkpoint, without the optimizer's tensors. Raises Refused (``export/no-weights``)."""
    try:
        with open(_path(run, which), "rb") as file:
            header, start = _header(file)
            step = int(json.loads(header["__metadata__"]["meta"])["step"])
            own = {k: v for k, v in header.items() if k != "__metadata__" and "/" not in k}
            return Weights(_sliced(file, own, start), step)
    except (OSError, ValueError, KeyError, TypeError) as error:
        what = f"The run has no '{which}' weights that can be read."
        raise Refused(Diagnostic("export/no-weights", what, "Let it train for a moment.")) from error


def saved(run: RunFolder, which: Which = "last") -> bool:
    return _path(run, which).is_file()


def _path(run: RunFolder, which: Which) -> Path:
    return run.path / f"{which}.safetensors"


def _header(file: BinaryIO) -> tuple[dict[str, Any], int]:
    """The header, and where the tensors start."""
    length = int.from_bytes(file.read(8), "little")
    if length > MAX_HEADER:
        raise ValueError("not a safetensors file")
    return dict(json.loads(file.read(length))), 8 + length


def _sliced(file: BinaryIO, tensors: Mapping[str, Mapping[str, Any]], start: int) -> bytes:
    """A file of ``tensors`` alone, in the order in which they lie in ``file``."""
    header, parts, place = {}, [], 0
    for name, tensor in sorted(tensors.items(), key=lambda item: (item[1]["data_offsets"], item[0])):
        begin, end = tensor["data_offsets"]
        file.seek(start + begin)
        parts.append(file.read(end - begin))
        header[name] = {**tensor, "data_offsets": [place, place := place + end - begin]}
    text = json.dumps({"__metadata__": {"format": "pt"}, **header}, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # tensors start at a multiple of 8
    return b"".join((len(text).to_bytes(8, "little"), text, *parts))
