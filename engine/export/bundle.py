"""Everything that a training is made of, as one zip with the same bytes for the same content. No torch."""

from __future__ import annotations

import io
import json
import re
import sys
import zipfile
from collections.abc import Mapping
from importlib.metadata import version

import numpy as np

from builder import document
from builder.names import ascii_text
from builder.source import source
from engine.data import BY_NAME
from engine.export import weights
from engine.export.arrays import arrays, words
from engine.export.notebook import notebook
from engine.export.recipe import Recipe, of_run
from engine.export.script import title, train_script
from engine.store import RunFolder

FIRST_DAY = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip can say; the real time would change the bytes
PACKAGES = ("torch", "numpy", "safetensors")

README = """# {name}

A network drawn in Layerloom and its training on {title}: {steps:,} steps with {optimizer}, seed {seed}.

    pip install {packages}
    python train.py

| file | what it is |
|---|---|
| model.py | the network |
| train.py | the training, with the losses of the app |
| train.ipynb | the same as a notebook |
| data.npz | the examples, split and standardised |
{words}{weights}| network.json | the drawing, to open in Layerloom |

Made with Python {python}. The last digits of the losses are those of a processor, of a version of torch, and of the way
in which the app added up.

The examples: {source}
"""
WORDS = """| words.json | what the whole numbers in data.npz stand for |
"""
TRAINED = """| weights.safetensors | the weights after {done:,} steps |
"""
BEST = """| best.safetensors | the weights of the lowest validation loss, after {best:,} steps |
"""


def bundle_of(run: RunFolder) -> bytes:
    """The zip of a run that has saved weights. Raises Refused (``export/no-weights``) before that."""
    last = weights.read(run, "last")
    files = {"weights.safetensors": last.content}
    lines = TRAINED.format(done=last.step)
    if weights.saved(run, "best"):
        best = weights.read(run, "best")
        files["best.safetensors"], lines = best.content, lines + BEST.format(best=best.step)
    return bundle(of_run(run, last.step), run.meta.title, files, lines)


def bundle(recipe: Recipe, name: str = "", files: Mapping[str, bytes] | None = None, lines: str = "") -> bytes:
    """The zip of ``recipe`` with ``files`` more; ``lines`` tell of them in the README's table."""
    name = folder(name)
    content = {
        "README.md": _readme(recipe, name, lines).encode(),
        "model.py": source(recipe.graph).encode(),
        "train.py": train_script(recipe).encode(),
        "train.ipynb": notebook(recipe).encode(),
        "network.json": document.dumps(recipe.graph).encode(),
        "data.npz": npz(recipe),
        **_words(recipe),
        **(files or {}),
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for path, data in content.items():
            entry = zipfile.ZipInfo(f"{name}/{path}", FIRST_DAY)
            entry.external_attr = 0o644 << 16
            file.writestr(entry, data, zipfile.ZIP_DEFLATED, compresslevel=4)
    return buffer.getvalue()


def folder(title: str) -> str:
    """``title`` as the name of a folder or file on any system, without a way out of it."""
    return re.sub(r"[^a-z0-9]+", "-", ascii_text(title).lower()).strip("-")[:40] or "network"


def npz(recipe: Recipe) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays(recipe))  # type: ignore[arg-type]
    return buffer.getvalue()


def _words(recipe: Recipe) -> dict[str, bytes]:
    found = words(recipe)
    return {"words.json": json.dumps(found, ensure_ascii=False, indent=1).encode()} if found else {}


def _readme(recipe: Recipe, name: str, lines: str) -> str:
    return README.format(
        name=name,
        title=title(recipe),
        steps=recipe.steps,
        optimizer=recipe.config.optimizer,
        seed=recipe.config.seed,
        packages=" ".join(f"{p}=={version(p).partition('+')[0]}" for p in PACKAGES),
        words=WORDS if words(recipe) else "",
        weights=lines,
        source=BY_NAME[recipe.data.name].source,
        python=".".join(map(str, sys.version_info[:2])),
    )
