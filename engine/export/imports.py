"""The import statements of a generated program, in the order that isort and ruff agree on. No torch."""

from __future__ import annotations

import ast
import sys
from collections import defaultdict

KNOWN = """
import math
from collections.abc import Iterator
from itertools import count
from pathlib import Path
import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor, nn, optim
from model import Net
"""
OWN = "model"  # the module that lies beside the program


def header(code: str, *sources: str) -> list[str]:
    """The imports of KNOWN and of ``sources`` that ``code`` needs, in groups with an empty line between them."""
    used = {node.id for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Name)}
    groups: list[list[str]] = [[], [], []]
    for module, line in _statements("\n".join((KNOWN, *sources)), used):
        root = module.split(".")[0]
        groups[2 if root == OWN else 0 if root in sys.stdlib_module_names else 1].append(line)
    return "\n\n".join("\n".join(group) for group in groups if group).splitlines()


def _statements(text: str, used: set[str]) -> list[tuple[str, str]]:
    """(module, statement), plain imports before ``from`` ones, each by name."""
    plain, names = dict[str, str](), defaultdict[str, set[str]](set)
    for node in ast.parse(text).body:
        if isinstance(node, ast.Import):
            plain |= {a.name: ast.unparse(node) for a in node.names if (a.asname or a.name) in used}
        elif isinstance(node, ast.ImportFrom):
            names[node.module or ""] |= {a.name for a in node.names if a.name in used}
    wanted = {
        module: f"from {module} import {', '.join(sorted(found, key=_order))}"
        for module, found in names.items()
        if found
    }
    return [*sorted(plain.items()), *sorted(wanted.items())]


def _order(name: str) -> tuple[int, str]:
    """Constants, then classes, then the rest."""
    return (0 if name.isupper() else 1 if name[:1].isupper() else 2), name
