"""In a real browser: a variational autoencoder trains, each of its outputs is drawn, and a weight is turned."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import Page, expect

from engine.config import DataRef, TrainConfig
from engine.share import Shared, encode
from engine.store import RunFolder
from tests.engine.ends import VAE

GRAPH = VAE.set_params("x", {"shape": (4,)}).set_params("decoder", {"out_features": 4})
GRAPH = GRAPH.set_params("y", {"target": "features"})
SHARED = Shared(GRAPH, TrainConfig(DataRef("iris"), steps=1_000_000, knobs={"speed": 200.0}))


def test_each_output_is_drawn_and_its_weight_acts_while_it_trains(page: Page, address: str, home: Path) -> None:
    page.goto(f"{address}/?share={encode(SHARED)}")
    page.get_by_role("button", name="Train this network").click()
    expect(page.get_by_role("combobox", name=re.compile("Data set"))).to_be_visible()
    page.get_by_role("button", name="Train", exact=True).click()
    expect(page.get_by_text("Each output by itself")).to_be_visible()
    for line in ("y: mse", "prior: kl"):
        expect(page.get_by_role("button", name=line)).to_be_visible()
    knob = page.locator('[data-knob="weight:prior"]')
    weight = knob.get_by_role("spinbutton")
    expect(weight).to_have_value("0.1")
    weight.fill("0.5")
    weight.press("Enter")
    expect(knob.get_by_text("in effect from step")).to_be_visible()
    page.get_by_role("button", name="Stop training").click()
    expect(page.get_by_text("Stopped", exact=True)).to_be_visible()
    (run,) = (RunFolder(folder) for folder in (home / "runs").iterdir())
    assert [r.body for r in run.log.every("knob")] == [{"name": "weight:prior", "old": 0.1, "new": 0.5}]
