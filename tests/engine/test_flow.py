"""The colour of a layer's gradient is the same before a run (flow.py) and in it (flow.ts)."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import pytest

from engine.flow import health

SOURCE = Path(__file__).parents[2] / "pages" / "live" / "frontend" / "src" / "flow.ts"
NORMS = [0.0, *(10**e for e in (-9.0, -6.0, -5.2, -3.0, -2.5, -1.0, 0.0, 0.7, 1.0, 1.4, 2.0, 3.0, 4.0))]


def in_the_browser() -> Any:
    """``health`` of flow.ts, word for word in Python: a few names and signs differ."""
    text = SOURCE.read_text(encoding="utf-8")
    lambdas = dict(re.findall(r"const (clamp|ramp) = \([^)]*\): number => (.+);", text))
    body = re.search(r"export function health\([^)]*\): number \{\n(.*?)\n\}", text, re.DOTALL)
    assert body
    assert set(lambdas) == {"clamp", "ramp"}
    steps = body[1].replace("if (!(norm > 0)) return 0;", "if not norm > 0: return 0").replace("const ", "")
    lines = [f"def clamp(x): return {lambdas['clamp']}", f"def ramp(norm, lo, hi): return {lambdas['ramp']}"]
    lines += ["def health(norm, largest):", *(f"  {line.strip().rstrip(';')}" for line in steps.splitlines())]
    found: dict[str, Any] = {"log10": math.log10, "min": min, "max": max}
    exec("\n".join(lines).replace("Math.", ""), found)  # our own source
    return found["health"]


@pytest.mark.parametrize("largest", [1e-6, 1e-2, 1.0, 1e4])
def test_a_gradient_has_the_colour_that_it_has_in_the_live_charts(largest: float) -> None:
    theirs = in_the_browser()
    norms = [n for n in NORMS if n <= largest]
    assert [health(n, largest) for n in norms] == pytest.approx([theirs(n, largest) for n in norms], abs=1e-12)


def test_the_colours_say_vanished_healthy_and_exploded() -> None:
    assert [health(n, 1.0) for n in (0.0, 1e-6, 1e-4, 0.1, 1.0)] == [0, 0, 0, 0.5, 0.5]
    assert [health(n, n) for n in (10.0, 100.0, 1000.0)] == pytest.approx([0.5, 0.75, 1.0])
