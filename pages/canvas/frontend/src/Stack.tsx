// The same network as a list, one layer under the other: for small screens, screen readers and beginners.
import { useCallback, useContext, type ReactNode } from "react";
import { groupColor } from "./colors";
import { BLOCK, called, repeats, specOf, type FNode } from "./graph";
import { contents, Ctx, Cures, summary, tone, useDoc } from "./parts";
import { isLink, moved, sequence } from "./sequence";

export function Stack({ children, next }: { children: ReactNode; next(node: string): void }) {
  const { doc } = useContext(Ctx);
  const nodes = useDoc((s) => s.nodes), edges = useDoc((s) => s.edges);
  const layers = sequence({ nodes, edges });
  const branches = layers.some((n) => edges.filter((e) => e.source === n.id).length > 1);
  return (
    <div className="stack">
      <div className="head-row">{children}</div>
      {branches && <p className="advice">This network branches. What is on a branch is moved and connected in the drawing.</p>}
      <ol aria-label="Layers in the order of the flow">
        {layers.map((n, i) => <Row key={n.id} n={n} before={layers[i - 1]} next={next} />)}
      </ol>
      {!layers.length && <p className="advice">The network is empty. Choose a layer to begin.</p>}
      <div className="sr" role="note">{doc.st.readonly ? "" : "Press A on a layer to add what comes after it, Delete to remove it."}</div>
    </div>
  );
}

function Row({ n, before, next }: { n: FNode; before: FNode | undefined; next(node: string): void }) {
  const { doc, live } = useContext(Ctx);
  const slot = useCallback((el: HTMLElement | null) => live.node(n.id, el), [n.id, live]);
  const note = useDoc((s) => s.notes[s.at + n.id]), spec = specOf(doc.specs, n), block = n.data.layer === BLOCK;
  const fed = useDoc((s) => s.edges.filter((e) => e.target === n.id).map((e) => e.source).join());
  const sources = fed ? fed.split(",") : [], plain = sources.length === 1 && sources[0] === before?.id;
  const link = useDoc((s) => isLink(s, n.id));
  const up = link && !!moved(doc.now, n.id, -1), down = link && !!moved(doc.now, n.id, 1);
  const name = called(n), wrong = note?.error ?? note?.warn;
  const act = (on: boolean, fn: () => void) => ({ type: "button" as const, "aria-disabled": !on, onClick: () => { if (on) fn(); } });
  return (
    <li ref={slot} data-row="" data-id={n.id} className={`row${n.selected ? " sel" : ""}${note?.error ? " bad" : ""}`} style={tone(groupColor(doc.palette, spec?.group))}>
      <button type="button" className="name" aria-pressed={!!n.selected} onClick={() => doc.select([n.id])}>
        <b>{n.data.label || spec?.title || n.data.layer}{repeats(n)}</b> <span className="id">{n.id}</span>
        <span className="sum">{block ? contents(n.data.inner, (t) => doc.specs.get(t)?.title ?? t) : summary(spec, n.data.params)}</span>
        <span className="shape" title={note?.cost}>{note?.shape ?? "–"}{note?.params ? ` · ${note.params} params` : ""}</span>
        {!plain && sources.length > 0 && <span className="from">from {sources.map((id) => doc.called(id)).join(" and ")}</span>}
        {!sources.length && spec?.ports.length ? <span className="from">not fed by any layer yet</span> : null}
      </button>
      <span className="does">
        {block && <button {...act(true, () => doc.open(n.id))} aria-label={`Open ${name}`} title="Open">⤢</button>}
        <button {...act(up, () => doc.shift(n.id, -1))} aria-label={`Move ${name} up`} title="Move up">↑</button>
        <button {...act(down, () => doc.shift(n.id, 1))} aria-label={`Move ${name} down`} title="Move down">↓</button>
        <button {...act(!!spec?.outputs, () => next(n.id))} aria-label={`Add after ${name}`} title="Add after (A)">+</button>
        <button {...act(true, () => { doc.select([n.id]); doc.deleteSelected(); })} aria-label={`Delete ${name}`} title="Delete">×</button>
      </span>
      <div className="live" />
      {wrong && <div className="why">{wrong} <Cures id={n.id} note={note} /></div>}
    </li>
  );
}
