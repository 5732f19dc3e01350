"""The README names what is there: pictures, files, templates and buttons."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from builder.templates import TEMPLATES
from engine.data import DATASETS

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SHOWN = " ".join(p.read_text(encoding="utf-8") for p in ROOT.glob("pages/**/*.py")) + " ".join(
    [*(t.title for t in TEMPLATES), *(d.title for d in DATASETS)]
    + [p.read_text(encoding="utf-8") for p in ROOT.glob("engine/knobs.py")]
)


@pytest.mark.parametrize("target", re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", README))
def test_every_link_leads_to_a_file(target: str) -> None:
    assert (ROOT / target).exists()


@pytest.mark.parametrize(
    "name", sorted({part.strip(" .") for bold in re.findall(r"\*\*([^*]+)\*\*", README) for part in bold.split("→")})
)
def test_every_name_in_bold_is_on_a_page(name: str) -> None:
    assert name in SHOWN
