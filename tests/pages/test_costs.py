"""What the Design page says that the network costs."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from builder import templates
from builder.infer import infer
from engine import memory
from engine.config import DataRef, TrainConfig
from engine.cost import Cost, costs
from engine.data import load
from pages.canvas import notes
from pages.costs import amount, badge, basis, line, space, table

DESIGN = Path(__file__).parents[2] / "pages" / "design.py"
SPIRAL = TrainConfig(DataRef("spiral"))


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    monkeypatch.setenv("LAYERLOOM_HOME", str(tmp_path))
    return AppTest.from_file(str(DESIGN), default_timeout=30)


def captions(page: AppTest) -> str:
    return "\n".join(c.value for c in page.caption)


def test_the_line_below_the_canvas_has_what_a_run_is_said_to_need(page: AppTest) -> None:
    page.run()
    assert not page.exception
    need = memory.need(infer(templates.load("spiral_mlp")), SPIRAL, load(DataRef("spiral")))
    assert f"training needs about {memory.said(need.total)} of the" in captions(page)


def test_a_larger_batch_and_a_heavier_optimizer_make_it_more(page: AppTest) -> None:
    page.session_state["settings"] = {"optimizer": "sgd"}
    page.session_state["knobs"] = {"batch_size": 4096.0}
    page.run()
    assert "For batches of 4,096 examples and SGD" in captions(page)
    figures = page.dataframe[0].value
    page.session_state["settings"] = {"optimizer": "adam"}
    page.run()
    assert page.dataframe[0].value["To train"].sum() > figures["To train"].sum()
    assert (page.dataframe[0].value["To run"] == figures["To run"]).all()


def test_every_layer_has_its_row_and_the_rows_add_up() -> None:
    inference = infer(templates.load("lenet5"))
    found = costs(inference, TrainConfig(DataRef("mnist")), 1000, 0)
    rows = table(inference, found)
    assert list(rows["Layer"]) == [n.label or n.id for n in inference.graph.nodes]
    assert rows["Parameters"].sum() == inference.params == 61_706  # LeCun et al. (1998), as commonly counted
    assert rows["To train"].sum() == found.total.training
    scored = costs(inference, TrainConfig(DataRef("mnist")), 1000, 200).total.training  # the fullest moment of a run
    assert scored > found.total.training


def test_of_a_block_the_table_has_what_is_in_it_all_its_repeats_together() -> None:
    inference = infer(templates.load("resnet20"))
    found = costs(inference, TrainConfig(DataRef("digits")), 1000, 200)
    block = next(n for n in inference.graph.nodes if n.params.get("repeat") == 3)
    rows = table(inference, found, block.id)
    assert rows["Parameters"].sum() == inference.nodes[block.id].params == found.nodes[block.id].params
    assert set(rows["Type"]).isdisjoint({"Input", "Output"})
    assert "all its repeats together" in basis(SPIRAL, block.id)


def test_a_badge_and_the_line_say_numbers_with_their_units() -> None:
    cost = Cost(params=416, flops=460_800, step_flops=1, inference=3 * 1024, training=5 * 2**20)
    assert badge(cost) == "461 k operations per example, 5 MB to train, 3 kB to run"
    graph = templates.load("spiral_mlp")
    said = notes(infer(graph), costs={n.id: badge(cost) for n in graph.nodes})
    assert {note["cost"] for note in said.values()} == {badge(cost)}
    assert "2 GB" not in line(costs(infer(graph), SPIRAL, 10, 10), 2**31)
    assert "of the 2.0 GB that are free" in line(costs(infer(graph), SPIRAL, 10, 10), 2**31)


@pytest.mark.parametrize(
    ("n", "text"), [(0, "0"), (950, "950"), (12_345, "12.3 k"), (4_560_000, "4.56 M"), (7.1e12, "7.1 T")]
)
def test_operations_are_written_for_people(n: float, text: str) -> None:
    assert amount(n) == text


@pytest.mark.parametrize(("n", "text"), [(640, "640 B"), (12_595, "12.3 kB"), (5 * 2**20, "5 MB"), (2**31, "2 GB")])
def test_bytes_are_written_for_people(n: int, text: str) -> None:
    assert space(n) == text


def test_a_link_can_hide_the_costs(page: AppTest) -> None:
    page.query_params["hide"] = "costs"
    page.run()
    assert not page.exception
    assert "training needs about" not in captions(page)
