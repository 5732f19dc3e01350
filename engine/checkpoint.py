"""The state of a training, to the bit: a run that goes on from it ends where an uninterrupted one would have.

On disk it is ``<name>.safetensors`` (tensors, with the rest as JSON in its header, so that one rename makes
both new) and ``<name>.json`` (that rest again, for people and other programs).
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from builder.diagnostic import Diagnostic, Refused

FORMAT, VERSION = "layerloom-checkpoint", 1
OPTIMIZER, BEST, COPY = "optimizer/", "best/", "copy/"  # a slash is in no node id, so these never meet a weight
SAID = re.compile(r"os error (\d+)")


@dataclass(frozen=True)
class Checkpoint:
    """``weights`` and ``best`` (of the lowest validation loss, if any) have the keys of the model's state_dict.

    ``meta`` is JSON: step, seconds, knobs, optimizer's numbers, random state, data order, best loss and step.
    ``copies`` are the states of the other copies of the network, where several train at once (see replicas/).
    """

    weights: Mapping[str, Tensor]
    meta: Mapping[str, Any]
    optimizer: Mapping[str, Tensor] = field(default_factory=dict)
    best: Mapping[str, Tensor] = field(default_factory=dict)
    copies: tuple[Checkpoint, ...] = ()

    @property
    def step(self) -> int:
        return int(self.meta["step"])

    @property
    def tensors(self) -> dict[str, Tensor]:
        """Everything, by the names that it has in the file."""
        parts = ((OPTIMIZER, self.optimizer), (BEST, self.best))
        copies = ((f"{COPY}{k}/", copy.tensors) for k, copy in enumerate(self.copies, 1))
        named = {prefix + key: t for prefix, part in (*parts, *copies) for key, t in part.items()}
        return {**self.weights, **named}

    @property
    def sha256(self) -> str:
        """The fingerprint of the weights, of all copies together where there are several."""
        others = {f"{k}/{key}": t for k, copy in enumerate(self.copies, 2) for key, t in copy.weights.items()}
        return fingerprint({**self.weights, **others})

    def save(self, folder: Path, name: str, *, durable: bool = True) -> None:
        """Writes beside and renames: a reader, or a run that is killed meanwhile, finds the old one or the new.

        ``durable`` waits for the disk, so that a machine that loses its power finds it too. Raises OSError where the
        disk does not take it, and leaves nothing of it there.
        """
        copies = {"copies": [copy.meta for copy in self.copies]} if self.copies else {}
        meta = json.dumps({"format": FORMAT, "version": VERSION, **self.meta, **copies}, allow_nan=False)
        tensors = {key: t.detach().cpu().contiguous() for key, t in self.tensors.items()}
        parts = [folder / f"{name}.{kind}.part" for kind in ("safetensors", "json")]
        try:
            _write(tensors, parts[0], meta)
            parts[1].write_text(meta)
            if durable:
                _to_disk(parts[0])
            for part in parts:
                os.replace(part, part.with_suffix(""))
        except OSError:
            for part in parts:
                part.unlink(missing_ok=True)
            raise

    @staticmethod
    def load(folder: Path, name: str) -> Checkpoint:
        """Raises Refused if there is none, or none that can be read."""
        try:
            with safe_open(folder / f"{name}.safetensors", framework="pt") as file:
                meta = json.loads((file.metadata() or {})["meta"])
                tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a dict)
        except (OSError, SafetensorError, KeyError, ValueError) as error:
            raise Refused(unreadable(name)) from error
        if (meta.get("format"), meta.get("version")) != (FORMAT, VERSION):
            raise Refused(unreadable(name))
        return _made(tensors, meta)


def _made(tensors: Mapping[str, Tensor], meta: Mapping[str, Any]) -> Checkpoint:
    own = {k: t for k, t in tensors.items() if "/" not in k}
    copies = (_made(_under(tensors, f"{COPY}{k}/"), each) for k, each in enumerate(meta.get("copies", ()), 1))
    return Checkpoint(own, meta, _under(tensors, OPTIMIZER), _under(tensors, BEST), tuple(copies))


def unreadable(name: str) -> Diagnostic:
    what = f"The run has no '{name}' checkpoint that can be read."
    return Diagnostic("checkpoint/unreadable", what, "Start a new run with the same network and settings.")


def _under(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): t for key, t in tensors.items() if key.startswith(prefix)}


def _write(tensors: dict[str, Tensor], path: Path, meta: str) -> None:
    try:
        save_file(tensors, path, metadata={"meta": meta})
    except SafetensorError as error:  # what the system said is only in its text
        number = SAID.search(str(error))
        code = int(number[1]) if number else errno.EIO
        raise OSError(code, os.strerror(code), str(path)) from error


def _to_disk(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def snapshot(model: torch.nn.Module) -> dict[str, Tensor]:
    """A copy of the weights and buffers that later training does not touch."""
    return {key: tensor.detach().clone() for key, tensor in model.state_dict().items()}


def fingerprint(weights: Mapping[str, Tensor]) -> str:
    """SHA-256 over names and bytes in the order of the names: two states with the same one are the same to the bit."""
    digest = hashlib.sha256()
    for name in sorted(weights):
        digest.update(name.encode())
        digest.update(weights[name].detach().cpu().contiguous().view(-1).numpy().data)
    return digest.hexdigest()


def is_finite(tensors: Mapping[str, Tensor]) -> bool:
    return all(bool(t.isfinite().all()) for t in tensors.values())
