"""The picture of where a selected attention layer looks."""

from __future__ import annotations

import numpy as np
import pytest

from builder.graph import Edge, Graph, Node
from engine.attention import packed
from pages.probe.looks import chart
from tests.pages import test_probe
from tests.pages.test_probe import Prober, opened, said

prober = test_probe.prober  # the fixture
GRAPH = (
    Graph()
    .add(Node("rows", "Input", {"shape": (8, 8)}))
    .add(Node("looks", "MultiheadAttention", label="Look *here*"), [Edge("rows", "looks", i) for i in range(3)])
    .add(Node("out", "Output"), [Edge("looks", "out")])
)
WEIGHTS = np.random.default_rng(0).dirichlet(np.ones(8), (6, 8))


@pytest.mark.parametrize(("selected", "shown"), [(("looks",), True), (("rows",), False), ((), False)])
def test_only_a_selected_attention_layer_shows_where_it_looks(
    prober: Prober, selected: tuple[str, ...], shown: bool
) -> None:
    test = opened(GRAPH)
    prober.say(loss=0.7, input_square=1.0, looks={"looks": packed(WEIGHTS), "enc.0.looks": packed(WEIGHTS)})
    test.session_state.doc.selected = selected
    test.run()
    assert not test.exception
    assert ("Where Look *here* looks" in said(test)) == shown
    assert "enc.0.looks" not in said(test)


def test_there_is_one_map_for_each_head_on_one_scale_with_the_first_step_above() -> None:
    figure = chart(packed(WEIGHTS))
    maps = list(figure.data)
    assert len(maps) == 6
    assert np.allclose([m.z for m in maps], WEIGHTS, atol=WEIGHTS.max() / 500)
    assert {m.coloraxis for m in maps} == {"coloraxis"}
    assert figure.layout.coloraxis.cmax == WEIGHTS.max()
    assert figure.layout.yaxis.autorange == "reversed"
    assert [a.text for a in figure.layout.annotations] == [f"Head {i}" for i in range(1, 7)]
