"""The node editor as a Streamlit component (Components v2, React Flow inside).

The browser owns the drawing (positions, wires, selection, undo); Python owns what follows from it (shapes, counts,
errors). Live colours go from the live charts to the canvas within the browser. ``assets/canvas.js`` is committed and is
built from ``frontend/`` (``npm ci && npm run build``), so nobody who only runs the app needs Node.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import streamlit as st

from builder.block import BLOCK
from builder.blocks import BLOCKS
from builder.blocks.spec import BlockSpec
from builder.catalog import CATALOG
from builder.colors import GROUP_COLORS, OTHER
from builder.spec import LayerSpec
from builder.suggest import hopeless
from pages.canvas.blocks import Insertion, asked
from pages.canvas.doc import Doc
from pages.canvas.notes import Notes, fix_for, notes
from pages.canvas.paste import paste

__all__ = ["Doc", "Insertion", "Notes", "canvas", "fix_for", "notes", "palette", "sync"]


def palette() -> dict[str, Any]:
    """What the browser needs to know of the catalogue."""
    groups = list(dict.fromkeys(spec.group for spec in CATALOG))
    return {
        "groups": [*groups, BLOCK.group],
        "colors": GROUP_COLORS | {"": OTHER},
        "layers": [*(_layer(spec) for spec in CATALOG), *(_block(spec) for spec in BLOCKS)],
        "block": _layer(BLOCK),
    }


def _layer(spec: LayerSpec) -> dict[str, Any]:
    return {
        "type": spec.type,
        "title": spec.title or spec.type,
        "group": spec.group,
        "help": spec.help,
        "keywords": spec.keywords,
        "summary": spec.summary,
        "defaults": {p.name: p.default for p in spec.params},
        "ports": [{"name": p.name, "variadic": p.variadic} for p in spec.ports],
        "outputs": spec.outputs,
        "never": hopeless(spec),
    }


def _block(spec: BlockSpec) -> dict[str, Any]:
    """A built-in block, as if it were a layer; Python draws it where it is wanted."""
    words = {"type": spec.name, "title": spec.title, "help": spec.help, "keywords": f"block {spec.keywords}"}
    return _layer(BLOCK) | words | {"builtin": True, "ports": [{"name": "input", "variadic": False}]}


_PLACE = {name: i for i, name in enumerate([*(spec.type for spec in CATALOG), *(spec.name for spec in BLOCKS)])}
_BUNDLE = (Path(__file__).parent / "assets" / "canvas.js").read_text(encoding="utf-8")
_PALETTE = palette()
_VERSION = hashlib.sha256((_BUNDLE + json.dumps(_PALETTE)).encode()).hexdigest()[:12]

# The bundle and the palette travel in a component of their own. Its message never changes, so Streamlit's message cache
# sends it once per browser session, and a rerun carries only what the small component below is given.
_LIB = st.components.v2.component("layerloom_canvas_lib", js=_BUNDLE)
_STUB = """
export default async function (args) {
  const libs = (globalThis.__layerloomCanvas ??= {});
  let lib = libs[args.data.lib];
  if (!lib) {
    lib = libs[args.data.lib] = {};
    lib.promise = new Promise((resolve) => { lib.resolve = resolve; });
  }
  return (await lib.promise)(args);
}
"""
_CANVAS = st.components.v2.component("layerloom_canvas", js=_STUB)
_BARE = st.components.v2.component(  # without the list of layers, which a link may hide for a class
    "layerloom_canvas_bare",
    js=_STUB,
    css="""
.editor { grid-template-columns: minmax(0, 1fr) !important; }
.palette, .bar .opener { display: none !important; }
""",
)


def sync(doc: Doc, key: str) -> Doc:
    """Takes over what the browser last reported. Call it before ``doc.graph`` is used."""
    doc.merge(_sent(key, "state"))
    return doc


def canvas(
    doc: Doc,
    *,
    key: str,
    notes: Notes,
    feed: str | None = None,
    preview: str | None = None,
    undo: str | None = None,
    readonly: bool = False,
    palette: bool = True,
    height: int = 620,
    on_fix: Callable[[str, str], None] | None = None,
    on_insert: Callable[[Insertion], None] | None = None,
) -> None:
    """Mounts the editor for ``doc``; call ``sync`` first, and keep both in one ``st.fragment``.

    ``notes`` are of ``doc.graph`` (see notes.py). ``feed`` is the id of the run whose gradients colour the nodes;
    ``preview`` names the preview whose pictures stand in them (event ``layerloom:preview``, see frontend/src/types.ts).
    ``undo`` is the name under which the browser keeps undo and redo beyond the page; ``palette`` is whether the list of
    layers stands beside the drawing.
    ``on_fix(node, code)`` is called when the user presses the button that cures that problem, ``on_insert`` when a
    built-in block is to be inserted.
    ``doc.command`` and ``doc.ask`` reach the browser with this call, so issue them from callbacks of the same fragment.
    """

    data = doc.to_json() | {
        "lib": _VERSION,
        "notes": {"rev": doc.rev, "seq": doc.seq} | _wire(notes),
        "feed": feed,
        "preview": preview,
        "undo": undo,
        "readonly": readonly,
        "height": height,
    }
    with st.container(gap=None):
        _LIB(key=f"{key}-lib", data={"lib": _VERSION, "palette": _PALETTE})
        show = _CANVAS if palette else _BARE
        show(
            key=key,
            data=data,
            height=height,
            on_state_change=lambda: None,
            on_fix_change=partial(_fix, doc, key, on_fix),
            on_paste_change=partial(_pasted, doc, key, readonly),
            on_block_change=partial(_block_wanted, doc, key, readonly, on_insert),
        )


def _fix(doc: Doc, key: str, then: Callable[[str, str], None] | None) -> None:
    wanted = _sent(key, "fix")
    if then and isinstance(wanted, Mapping):
        sync(doc, key)
        then(str(wanted.get("node")), str(wanted.get("code")))


def _pasted(doc: Doc, key: str, readonly: bool) -> None:
    if not readonly:
        sync(doc, key)
        paste(doc, _sent(key, "paste"))


def _block_wanted(doc: Doc, key: str, readonly: bool, then: Callable[[Insertion], None] | None) -> None:
    if not readonly:
        sync(doc, key)
        wanted = asked(doc, _sent(key, "block"))
        if wanted and then:
            then(wanted)


def _wire(notes: Notes) -> dict[str, Any]:
    """``notes`` as they travel: equal lists of what comes next only once, as places in the palette."""
    lists: dict[tuple[str, ...], int] = {}
    next_ = {id: lists.setdefault(note["next"], len(lists)) for id, note in notes.items() if "next" in note}
    said = {id: {key: value for key, value in note.items() if key != "next"} for id, note in notes.items()}
    return {"nodes": said, "next": next_, "lists": [[_PLACE[type_] for type_ in types] for types in lists]}


def _sent(key: str, name: str) -> object:
    value = st.session_state.get(key)
    return value.get(name) if isinstance(value, Mapping) else None
