// Keys are taken on the editor's own root and go no further, so that typing elsewhere in the page cannot delete a layer
// and Streamlit's own shortcuts ("r", "c") stay quiet here.
import type { KeyboardEvent } from "react";
import { called } from "./graph";
import type { Doc } from "./store";

interface Actions { layout(): void; fit(): void; focus(): void }

export function onKey(doc: Doc, act: Actions, e: KeyboardEvent) {
  const target = e.nativeEvent.composedPath()[0] as HTMLElement;
  if (/^(Control|Meta|Shift|Alt)$/.test(e.key)) return; // React Flow listens for these on the document
  e.stopPropagation();
  if (/^(INPUT|TEXTAREA|SELECT)$/.test(target.nodeName)) return;
  const key = e.key.toLowerCase(), plain = !(e.ctrlKey || e.metaKey || e.altKey);
  const node = target.closest(".react-flow__node")?.getAttribute("data-id") ?? null;
  const run = action(doc, act, (plain ? "" : "mod+") + (e.shiftKey ? "shift+" : "") + key, node);
  if (run) { e.preventDefault(); run(); }
}

function action(doc: Doc, act: Actions, key: string, node: string | null): (() => void) | undefined {
  const from = doc.st.connectFrom;
  switch (key) {
    case "delete": case "backspace": return () => { act.focus(); doc.deleteSelected(); }; // the focused node goes away
    case "mod+z": return () => doc.undo();
    case "mod+shift+z": case "mod+y": return () => doc.undo(true);
    case "mod+d": return () => doc.duplicate();
    case "mod+a": return () => doc.selectAll();
    case "f": return act.fit;
    case "l": return act.layout;
    case "escape": return () => doc.s.setState({ connectFrom: null });
    case "c": return node ? () => (from && from !== node ? finish(doc, from, node) : begin(doc, node)) : undefined;
    case "enter": return node && from ? () => finish(doc, from, node) : undefined;
  }
}
function begin(doc: Doc, node: string) {
  if (doc.st.readonly) return;
  doc.s.setState({ connectFrom: node });
  doc.say(`Connecting from ${called(doc.st.nodes.find((n) => n.id === node))}. Move to a layer with Tab and press Enter; Escape stops.`);
}
function finish(doc: Doc, from: string, node: string) {
  doc.s.setState({ connectFrom: null });
  doc.connect(from, node, null);
}
