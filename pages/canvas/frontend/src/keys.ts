// Keys are taken on the editor's own root and go no further, so that typing elsewhere in the page cannot delete a layer
// and Streamlit's own shortcuts ("r", "c") stay quiet here.
import type { KeyboardEvent } from "react";
import type { Doc } from "./store";

interface Actions { layout(): void; fit(): void; focus(): void; next(node: string): void; note(): void }

/** What the sheet of shortcuts says; a space stands between keys that are pressed one after the other or together. */
export const SHORTCUTS: readonly (readonly [keys: string, what: string])[] = [
  ["A", "add what comes after the layer in focus"],
  ["C", "connect from the layer in focus; Enter on another one finishes"],
  ["Tab", "go to the next layer or wire"],
  ["Enter", "select; on a block, open it"],
  ["← ↑ → ↓", "move the selection"],
  ["Delete", "delete, and close the gap"],
  ["Ctrl Z", "undo"],
  ["Ctrl Y", "redo"],
  ["Ctrl C", "copy as text, also for another tab"],
  ["Ctrl X", "cut"],
  ["Ctrl V", "paste layers or a whole network"],
  ["Ctrl D", "duplicate"],
  ["Ctrl A", "select all"],
  ["Ctrl G", "group the selection into a block"],
  ["Ctrl Shift G", "take a block apart"],
  ["Shift drag", "select what is in a box"],
  ["B", "boxes by plain dragging, on and off"],
  ["Ctrl F", "find a layer (also /)"],
  ["N", "new note"],
  ["S", "stack: the network as a list"],
  ["L", "lay out anew"],
  ["F", "fit the drawing into view"],
  ["?", "this sheet"],
  ["Escape", "stop, close, leave the block"],
];

export function onKey(doc: Doc, act: Actions, e: KeyboardEvent) {
  const target = e.nativeEvent.composedPath()[0] as HTMLElement;
  if (/^(Control|Meta|Shift|Alt)$/.test(e.key)) return; // React Flow listens for these on the document
  e.stopPropagation();
  const mod = e.ctrlKey || e.metaKey || e.altKey, key = e.key.toLowerCase();
  if (/^(INPUT|TEXTAREA|SELECT)$/.test(target.nodeName) && !(mod && key === "f")) return;
  const node = target.closest(".react-flow__node, [data-row]")?.getAttribute("data-id") ?? null;
  const run = action(doc, act, (mod ? "mod+" : "") + (e.shiftKey && key !== "?" ? "shift+" : "") + key, node);
  if (run) { e.preventDefault(); run(); }
}

function action(doc: Doc, act: Actions, key: string, node: string | null): (() => void) | undefined {
  const from = doc.st.connectFrom, one = doc.selected.length === 1 ? doc.selected[0].id : null;
  const layer = [node, one].find((id) => id && doc.specOf(id)) ?? null;
  switch (key) {
    case "delete": case "backspace": return () => { act.focus(); doc.deleteSelected(); }; // the focused node goes away
    case "mod+z": return () => doc.undo();
    case "mod+shift+z": case "mod+y": return () => doc.undo(true);
    case "mod+d": return () => doc.duplicate();
    case "mod+a": return () => doc.selectAll();
    case "mod+f": case "/": return () => doc.s.setState({ panel: "find" });
    case "?": return () => doc.s.setState({ panel: "keys" });
    case "f": return act.fit;
    case "l": return act.layout;
    case "n": return act.note;
    case "b": return () => doc.toggle("box");
    case "s": return () => { act.focus(); doc.toggle("stack"); };
    case "mod+g": return () => { if (doc.selected.length) doc.s.setState({ panel: "name" }); };
    case "mod+shift+g": return () => { act.focus(); doc.ungroup(); }; // the block goes away
    case "escape": return () => escape(doc);
    case "a": return layer ? () => act.next(layer) : undefined;
    case "c": return layer && node ? () => (from && from !== node ? finish(doc, from, node) : begin(doc, node)) : undefined;
    case "enter": return node && from ? () => finish(doc, from, node) : node && doc.isBlock(node) ? () => doc.open(node) : undefined;
  }
}
/** Stops what is under way; where nothing is, leads out of the block that is open. */
function escape(doc: Doc) {
  const { connectFrom, menu, panel } = doc.st;
  if (connectFrom || menu || panel) doc.s.setState({ connectFrom: null, menu: null, panel: null });
  else doc.leave();
}
function begin(doc: Doc, node: string) {
  if (doc.st.readonly) return;
  doc.s.setState({ connectFrom: node });
  doc.say(`Connecting from ${doc.called(node)}. Move to a layer with Tab and press Enter; Escape stops.`);
}
function finish(doc: Doc, from: string, node: string) {
  doc.s.setState({ connectFrom: null });
  doc.connect(from, node, null);
}
