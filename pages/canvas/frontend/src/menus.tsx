// What opens over the canvas: what comes next, where is it, and which keys there are.
import { useContext, useEffect, useRef, type CSSProperties, type ReactNode, type RefObject } from "react";
import { Actions } from "./Blocks";
import { Choice, type Item } from "./Choice";
import { groupColor } from "./colors";
import type { Point } from "./graph";
import { SHORTCUTS } from "./keys";
import { everywhere } from "./levels";
import { Ctx, tone, useDoc } from "./parts";
import type { LayerSpec } from "./types";

const WIDE = 236, HIGH = 300, ACTS = 72, FOUND = 40; // px: of the menu, and of what can be done with a layer

interface NextProps { root: RefObject<HTMLDivElement | null>; follow(from: string, type: string, at: Point | null): void; done(): void }
/** The layers that fit behind one layer, best first. */
export function NextMenu({ root, follow, done }: NextProps) {
  const { doc } = useContext(Ctx);
  const menu = useDoc((s) => s.menu);
  if (!menu) return null;
  const { clientWidth: w, clientHeight: h } = root.current!;
  const style = { left: Math.max(4, Math.min(menu.x, w - WIDE)), top: Math.max(4, Math.min(menu.y, h - HIGH - (menu.acts ? ACTS : 0))) };
  const layers = doc.candidates(menu.from);
  const search = (query: string) => found(layers, query).map((l): Item =>
    ({ id: l.type, text: l.title, aside: l.group, style: tone(groupColor(doc.palette, l.group)) }));
  const close = () => doc.s.setState({ menu: null });
  const actions = menu.acts && <Actions done={() => { close(); done(); }} />;
  if (!doc.specOf(menu.from)?.outputs) return <Bare style={style} close={() => { close(); done(); }}>{actions}</Bare>;
  return (
    <Choice key={`${menu.from} ${menu.x} ${menu.y}`} className="next" label={`What comes after ${doc.called(menu.from)}`} placeholder="What comes next?"
      empty="No layer of that name fits here." style={style} search={search} onClose={() => { close(); done(); }}
      onPick={(type) => follow(menu.from, type, menu.at)}>{actions}</Choice>
  );
}
/** The menu of a layer that nothing can follow. */
function Bare({ style, close, children }: { style: CSSProperties; close(): void; children: ReactNode }) {
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => { box.current?.querySelector("button")?.focus({ preventScroll: true }); }, []);
  return (
    <div ref={box} className="choice" style={style} onKeyDown={(e) => { if (e.key === "Escape") close(); }}
      onBlur={(e) => { if (!e.currentTarget.contains(e.relatedTarget)) close(); }}>{children}</div>
  );
}

export function named(layer: LayerSpec, query: string): boolean {
  const text = `${layer.title} ${layer.type} ${layer.group} ${layer.keywords}`.toLowerCase();
  return query.trim().toLowerCase().split(/\s+/).every((word) => text.includes(word));
}

/** Those that `query` names: what is called so before what only has to do with it. */
export function found(layers: LayerSpec[], query: string): LayerSpec[] {
  const fitting = layers.filter((l) => named(l, query));
  return !query.trim() ? fitting : fitting.sort((a, b) => distance(a, query) - distance(b, query));
}
export function distance({ title }: LayerSpec, query: string): number {
  const at = title.toLowerCase().indexOf(query.trim().toLowerCase());
  return at < 0 ? 3 : at > 0 ? 2 : title.length > query.trim().length ? 1 : 0;
}

interface Found extends Item { title: string }
/** Finds a node by name, type or id, whatever block it is in. */
export function Find({ jump, done }: { jump(id: string): void; done(): void }) {
  const { doc } = useContext(Ctx);
  const open = useDoc((s) => s.panel === "find");
  if (!open) return null;
  const layers = everywhere(doc.snap).map(({ node, path }): Found => {
    const spec = doc.specs.get(node.type), id = [...path, node.id].join(".");
    return { id, text: node.label || (spec?.title ?? node.type), aside: id, style: tone(groupColor(doc.palette, spec?.group)), title: spec?.title ?? "" };
  });
  const notes = doc.st.nodes.filter((n) => n.type === "note").map((n): Found =>
    ({ id: doc.st.at + n.id, text: n.data.label, aside: n.id, title: "note" }));
  const search = (query: string) => [...layers, ...notes].filter((item) =>
    `${item.text} ${item.aside} ${item.title}`.toLowerCase().includes(query.trim().toLowerCase())).slice(0, FOUND);
  return (
    <Choice className="find" label="Find a layer" placeholder="Name, type or id" empty="Nothing on the canvas is called that."
      search={search} onPick={jump} onClose={() => { doc.s.setState({ panel: null }); done(); }} />
  );
}

export function ShortcutSheet({ done }: { done(): void }) {
  const { doc } = useContext(Ctx);
  const open = useDoc((s) => s.panel === "keys");
  const button = useRef<HTMLButtonElement>(null);
  useEffect(() => { if (open) button.current?.focus(); }, [open]);
  if (!open) return null;
  const close = () => { doc.s.setState({ panel: null }); done(); };
  return (
    <div className="sheet" role="dialog" aria-modal="true" aria-label="Shortcuts" onKeyDown={(e) => { if (e.key === "Escape") close(); else if (e.key === "Tab") e.preventDefault(); }}>
      <div className="top"><b>Shortcuts</b><button ref={button} type="button" onClick={close}>Close</button></div>
      <dl>{SHORTCUTS.map(([key, what]) => <div key={key}><dt>{key.split(" ").map((k) => <kbd key={k}>{k}</kbd>)}</dt><dd>{what}</dd></div>)}</dl>
    </div>
  );
}
