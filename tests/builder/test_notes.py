"""Notes on a drawing: kept by a document and by every edit, part of no computation, read with distrust."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from builder import document
from builder.diagnostic import Refused
from builder.edit import AddNode, AddNote, Connect, Edit, RemoveNode, SetParams, apply
from builder.graph import Edge, Graph, Node, Note
from builder.infer import infer

PLAIN = Graph(
    (Node("input_1", "Input", {"shape": (2,)}), Node("linear_1", "Linear"), Node("output_1", "Output")),
    (Edge("input_1", "linear_1"), Edge("linear_1", "output_1")),
)
NOTED = apply(PLAIN, [AddNote(Note("note_1", "Two lines:\nthe second.", (10.0, 20.0), (200.0, 80.0)))])
TEXT = some.text(some.characters(categories=["L", "N", "P", "S"], include_characters="\n "), max_size=60)
PLACE = some.tuples(some.integers(-900, 900).map(float), some.integers(0, 900).map(float))


@settings(max_examples=40, deadline=None)
@given(some.lists(some.tuples(TEXT, PLACE, PLACE), max_size=4))
def test_a_document_gives_its_notes_back(said: list[tuple[str, tuple[float, float], tuple[float, float]]]) -> None:
    notes = [AddNote(Note(f"note_{i}", text, at, size)) for i, (text, at, size) in enumerate(said)]
    graph = apply(PLAIN, notes)
    assert document.loads(document.dumps(graph)) == graph


def test_a_document_without_notes_does_not_mention_them() -> None:
    assert "notes" not in document.to_json(PLAIN)
    assert document.loads(document.dumps(PLAIN)).notes == ()


def test_edits_of_the_network_keep_the_notes() -> None:
    edits: list[Edit] = [
        AddNode(Node("relu_1", "ReLU")),
        Connect(Edge("linear_1", "relu_1")),
        SetParams("linear_1", {"out_features": 3}),
        RemoveNode("output_1"),
    ]
    assert apply(NOTED, edits).notes == NOTED.notes


def test_notes_change_nothing_of_what_follows_from_the_drawing() -> None:
    assert infer(NOTED).nodes == infer(PLAIN).nodes
    assert infer(NOTED).diagnostics == infer(PLAIN).diagnostics


@pytest.mark.parametrize(
    ("note", "problem"),
    [
        ({"id": "note_1", "text": 7}, "notes[0].text: must be a text"),
        ({"id": "note_1", "text": "a" * 2001}, "notes[0].text: must be a text of at most 2,000 characters"),
        ({"id": "note_1", "text": "bell \x07"}, "notes[0].text: must be a text"),
        ({"id": "1", "text": ""}, "notes[0].id: must be letters"),
        ({"id": "linear_1", "text": ""}, "notes[0].id: 'linear_1' is taken."),
        ({"id": "note_1", "colour": "red"}, "notes[0].colour: there is no such key."),
        ({"id": "note_1", "size": [1]}, "notes[0].size: must be two numbers"),
        ({"id": "note_1", "position": ["a", 2]}, "notes[0].position: must be two numbers"),
        ("text", "notes[0]: must be an object"),
    ],
)
def test_a_note_that_is_none_is_refused_with_its_place(note: Any, problem: str) -> None:
    body = document.to_json(PLAIN) | {"notes": [note]}
    with pytest.raises(Refused) as refused:
        document.loads(json.dumps(body))
    assert any(problem in d.what for d in refused.value.diagnostics), str(refused.value)


def test_two_notes_of_one_id_and_too_many_of_them_are_refused() -> None:
    for notes in ([{"id": "a"}, {"id": "a"}], [{"id": f"n{i}"} for i in range(501)], "many"):
        with pytest.raises(Refused):
            document.from_json(document.to_json(PLAIN) | {"notes": notes})
