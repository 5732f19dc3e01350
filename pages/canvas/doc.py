"""The server's side of one drawing: what the browser reported, and the edits of ours that it has not yet seen."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from builder.diagnostic import Refused
from builder.document import FORMAT, VERSION, from_json, to_json
from builder.edit import Edit, apply, within
from builder.graph import Graph
from pages.canvas.paths import find, walk

PARTS = ("nodes", "edges", "notes")  # of a document, as the browser has them
Request = Literal["layout", "fit", "select", "say", "open"]


def _epoch() -> str:
    """A name that no other document has, whatever session or process it was in."""
    return secrets.token_hex(6)


@dataclass(frozen=True)
class Command:
    """Something the browser is to do once: ``edits`` as one undo step, or a request about the view."""

    seq: int
    edits: tuple[Edit, ...] = ()
    op: Request | None = None
    ids: tuple[str, ...] = ()
    text: str = ""

    def to_json(self) -> dict[str, Any]:
        if self.op:
            return {"seq": self.seq, "op": self.op, "ids": list(self.ids), "text": self.text}
        return {"seq": self.seq, "edits": [e.to_json() for e in self.edits]}


@dataclass(frozen=True)
class State:
    """What a browser reports: its drawing at revision ``rev``, with our commands up to ``ack`` in it.

    ``selected`` are the paths of nodes, ``open`` is that of the block that is seen from within ("" for none).
    """

    graph: Graph
    selected: tuple[str, ...]
    epoch: str
    rev: int
    ack: int
    open: str = ""


@dataclass
class Doc:
    """One drawing; keep it in ``st.session_state``. ``graph``, ``selected`` and ``open`` are what to read.

    The browser owns the drawing, so ``graph`` is not assigned: ``load`` replaces it, ``command`` edits it.
    """

    graph: Graph = field(default_factory=Graph)
    selected: tuple[str, ...] = ()
    epoch: str = field(default_factory=_epoch)
    rev: int = 0
    seq: int = 0
    pending: tuple[Command, ...] = ()
    open: str = ""
    lost: int = -1  # the revision that could not be taken over, which was told

    def load(self, graph: Graph) -> None:
        """Puts ``graph`` in the place of the drawing. What the browser still had under way is dropped."""
        self.graph, self.selected, self.pending, self.open = graph, (), (), ""
        self.epoch, self.rev, self.lost = _epoch(), 0, -1

    def command(self, edits: Iterable[Edit]) -> None:
        """Applies ``edits`` here at once, and in the browser as one undo step; none if they change nothing."""
        edits = tuple(edits)
        if apply(self.graph, edits).text != self.graph.text:
            self.seq += 1
            self._issue(Command(self.seq, edits))

    def change(self, path: str, edits: Iterable[Edit]) -> None:
        """The same for ``edits`` that are addressed from within the block at ``path``."""
        self.command(within(path, edits))

    def ask(self, op: Request, *ids: str, text: str = "") -> None:
        """Has the browser lay out or fit the drawing, select the nodes ``ids`` (paths), open the block that ``ids``
        lead to, one in the other, or show ``text`` as a refusal."""
        self.seq += 1
        self._issue(Command(self.seq, op=op, ids=ids, text=text))

    def _issue(self, command: Command) -> None:
        self.pending += (command,)
        self._apply(command)

    def _apply(self, command: Command) -> None:
        """What the browser will do with ``command``, so that shapes are right before it answers."""
        self.graph = apply(self.graph, command.edits)
        chosen = command.ids if command.op == "select" else self.selected
        self.selected = tuple(s for s in chosen if find(self.graph, s))
        if command.op == "select" and self.selected:
            self.open = self.selected[0].rpartition(".")[0]
        elif command.op == "open":
            self.open = ".".join(command.ids)
        while self.open and not find(self.graph, self.open):
            self.open = self.open.rpartition(".")[0]

    def merge(self, value: object) -> None:
        """Takes over what the browser reported. A report that is malformed or of a replaced drawing is ignored; one
        whose drawing could not be opened again is told."""
        try:
            state = parse(value)
        except Refused as refused:
            return self._tell(value, refused)
        if state is None or state.epoch != self.epoch or state.rev < self.rev:
            return
        self.pending = tuple(c for c in self.pending if c.seq > state.ack)
        self.graph, self.selected, self.rev, self.open = state.graph, state.selected, state.rev, state.open
        for command in self.pending:
            self._apply(command)

    def _tell(self, value: object, refused: Refused) -> None:
        """Says, once for each revision, that what is drawn is not kept."""
        assert isinstance(value, Mapping)
        if value["epoch"] == self.epoch and value["rev"] > max(self.rev, self.lost):
            self.lost = value["rev"]
            self.ask("say", text=f"The last change is not kept. {refused.diagnostics[0].text} Undo it.")

    def to_json(self) -> dict[str, Any]:
        """The document for the browser. It is read there on mounting and after ``load`` only."""
        drawing = to_json(self.graph)
        return {
            "epoch": self.epoch,
            "rev": self.rev,
            "seq": self.seq,
            "doc": {key: drawing.get(key, []) for key in PARTS},
            "cmds": [c.to_json() for c in self.pending],
        }


def parse(value: object) -> State | None:
    """The State in a browser's ``value``, or None: a browser may send anything. Raises Refused if it is a State of a
    drawing that cannot be."""
    if not isinstance(value, Mapping):
        return None
    said = [value.get(key) for key in ("epoch", "rev", "ack", "selected")]
    match [*said, value.get("open", "")]:
        case [str(epoch), int(rev), int(ack), list(selected), str(open_)]:
            pass
        case _:
            return None
    graph = from_json({"format": FORMAT, "version": VERSION, "notes": []} | {k: value[k] for k in PARTS if k in value})
    known = tuple(path for path, _, _ in walk(graph) if path in selected)
    return State(graph, known, epoch, rev, ack, open_ if find(graph, open_) else "")
