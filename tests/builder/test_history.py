from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from builder.edit import apply
from builder.graph import Graph
from builder.history import History
from tests.builder.drawings import EDITS, graphs


@settings(max_examples=60)
@given(graphs(), st.lists(EDITS, max_size=15))
def test_any_edits_and_then_all_undos_give_the_first_graph_and_all_redos_the_last(graph, edits):
    history = History(graph)
    for edit in edits:
        history = history.push(apply(history.present, [edit]))
    last = history.present
    while history.can_undo:
        history = history.undo()
    assert history.present == graph
    while history.can_redo:
        history = history.redo()
    assert history.present == last


@given(st.lists(st.sampled_from(["undo", "redo"]) | st.integers(0, 3), max_size=30))
def test_it_behaves_like_a_list_with_a_cursor(actions):
    values, at, history = [0], 0, History(0)
    for action in actions:
        if action == "undo":
            at, history = max(0, at - 1), history.undo()
        elif action == "redo":
            at, history = min(len(values) - 1, at + 1), history.redo()
        elif action != values[at]:
            values, at, history = [*values[: at + 1], action], at + 1, history.push(action)
        else:
            history = history.push(action)
        assert history.present == values[at]
        assert (history.can_undo, history.can_redo) == (at > 0, at < len(values) - 1)


def test_an_older_history_is_not_changed_by_what_is_done_to_a_newer_one():
    first = History("a").push("b")
    first.undo().push("c")
    assert first.present == "b"
    assert not first.can_redo


def test_a_hundred_thousand_edits_can_be_undone_and_printed():
    history = History(0)
    for i in range(1, 100_001):
        history = history.push(i)
    assert repr(history) == "History(present=100000)"
    while history.can_undo:
        history = history.undo()
    assert history.present == 0
    del history


def test_a_drawing_can_be_undone_to_the_empty_canvas():
    assert History(Graph()).undo().present == Graph()
