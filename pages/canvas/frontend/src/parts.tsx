// A layer and a wire, as React Flow draws them.
import { createContext, memo, useCallback, useContext, useEffect, useLayoutEffect, useRef, type CSSProperties, type MouseEvent } from "react";
import {
  BaseEdge, Handle, Position, useUpdateNodeInternals, type EdgeProps, type NodeProps,
} from "@xyflow/react";
import { useStore } from "zustand";
import { groupColor } from "./colors";
import { BLOCK, portCount, repeats, specOf, type FEdge, type FNode } from "./graph";
import type { LiveView } from "./live";
import type { Doc, Store } from "./store";
import type { Graph, LayerSpec, Note, Params } from "./types";
import { course } from "./wire";

export const Ctx = createContext<{ doc: Doc; live: LiveView }>(null as never);
export function useDoc<T>(pick: (s: Store) => T): T { return useStore(useContext(Ctx).doc.s, pick); }
export const tone = (color: string) => ({ "--c": color }) as CSSProperties;

export function summary(spec: LayerSpec | undefined, params: Params): string {
  const write = (v: unknown) => (Array.isArray(v) ? v.join(" × ") : v === null || v === undefined ? "–" : String(v));
  return (spec?.summary ?? "").replace(/\{(\w+)(?::[^}]*)?\}/g, (_, k: string) => write(params[k] ?? spec!.defaults[k]));
}
/** What is in a block, in a few words. */
export function contents(inner: Graph | undefined, titleOf: (type: string) => string): string {
  const layers = (inner?.nodes ?? []).filter((n) => n.type !== "Input" && n.type !== "Output");
  const names = layers.slice(0, 3).map((n) => n.label || titleOf(n.type)).join(", ");
  return layers.length > 3 ? `${names}, … ${layers.length} layers` : names || "empty";
}
/** What a screen reader says: "Conv2d conv2d_1, output 16 × 24 × 24, 416 parameters". */
function spoken(title: string, id: string, label: string, note: Note | undefined): string {
  const say = [`${title} ${label ? `${label} (${id})` : id}`];
  if (note?.error) say.push(`error: ${note.error}`);
  if (note?.shape) say.push(`output ${note.shape}`);
  if (note?.params) say.push(`${note.params} parameters`);
  if (note?.warn) say.push(`warning: ${note.warn}`);
  if (note?.cost) say.push(note.cost);
  return say.join(", ");
}

export const LayerNode = memo(function LayerNode({ id, data, selected }: NodeProps<FNode>) {
  const { doc, live } = useContext(Ctx);
  const spec = specOf(doc.specs, { data });
  const note = useDoc((s) => s.notes[s.at + id]);
  const port = useDoc((s) => s.at !== "" && (data.layer === "Input" || data.layer === "Output"));
  const block = data.layer === BLOCK, times = repeats({ data });
  const from = useDoc((s) => s.connectFrom === id);
  const lr = useDoc((s) => s.dir === "LR");
  const ports = useDoc((s) => (spec && !spec.ports.at(-1)?.variadic ? spec.ports.length : portCount(s, spec, id)));
  const refresh = useUpdateNodeInternals();
  useEffect(() => refresh(id), [ports, lr, id, refresh]); // React Flow remembers where the ports are
  const el = useRef<HTMLDivElement | null>(null);
  const ref = useCallback((e: HTMLDivElement | null) => { el.current = e; live.node(id, e); }, [id, live]);
  const title = spec?.title ?? data.layer;
  const text = block ? contents(data.inner, (t) => doc.specs.get(t)?.title ?? t) : port ? "port of this block" : summary(spec, data.params);
  const name = spoken(`${title}${times}`, id, data.label, note);
  const told = !!(note?.error || note?.warn);
  // React Flow's wrapper is what takes the focus, so the name belongs there; a bubble has to lie over the neighbours.
  useLayoutEffect(() => {
    const wrapper = el.current!.closest(".react-flow__node")!;
    wrapper.setAttribute("aria-label", name);
    wrapper.toggleAttribute("data-told", told);
  }, [name, told]);
  const flags = { tb: !lr, sel: selected, from, block, bad: note?.error, warned: note?.warn, grey: note?.grey };
  return (
    <div ref={ref} className={["layer", ...Object.entries(flags).filter(([, on]) => on).map(([k]) => k)].join(" ")}
      style={tone(groupColor(doc.palette, spec?.group))}>
      <Inputs n={ports} lr={lr} spec={spec} />
      <div className="head"><b>{data.label || title}{times}</b><span className="id">{data.label ? title : id}</span></div>
      {text && <div className="sum">{text}</div>}
      {block && <button type="button" className="open nodrag nopan" aria-label={`Open ${data.label || id}`} onClick={(e) => { e.stopPropagation(); doc.open(id); }}>Open</button>}
      <div className="foot" title={note?.cost}>
        <span className="shape">{note?.shape ?? "–"}</span><span className="cnt">{note?.params && `${note.params} params`}</span>
      </div>
      <div className="live" />
      {told && <Problem id={id} note={note!} />}
      {spec?.outputs !== 0 && <Handle id="out" type="source" position={lr ? Position.Right : Position.Bottom} role="img" aria-label="output" title="output" />}
    </div>
  );
});

function Inputs({ n, lr, spec }: { n: number; lr: boolean; spec: LayerSpec | undefined }) {
  return Array.from({ length: n }, (_, i) => {
    const port = spec?.ports[Math.min(i, spec.ports.length - 1)];
    const name = !port ? `input ${i + 1}` : port.variadic ? `${port.name} ${i + 1}` : port.name;
    const style = { [lr ? "top" : "left"]: lr && n === 1 ? undefined : `${((i + 1) / (n + 1)) * 100}%` };
    return <Handle key={i} id={`in${i}`} type="target" position={lr ? Position.Left : Position.Top} style={style} role="img" aria-label={name} title={name} />;
  });
}

/** An icon, the reason in words, the way to the layer at fault, and the cure as a button: never colour alone. */
function Problem({ id, note }: { id: string; note: Note }) {
  return (
    <>
      <span className="mark" aria-hidden="true">{note.error ? "!" : "?"}</span>
      <div className="why"><span>{note.error ?? note.warn}</span><Cures id={id} note={note} /></div>
    </>
  );
}
/** The button goes away with what it cures: the keyboard stays with the editor. */
const editor = (e: MouseEvent<HTMLElement>) => e.currentTarget.closest<HTMLElement>(".editor")!;
export function Cures({ id, note }: { id: string; note: Note }) {
  const { doc } = useContext(Ctx);
  const readonly = useDoc((s) => s.readonly);
  const { at } = note, path = at ?? doc.st.at + id;
  return (
    <>
      {at && <button type="button" className="fix nodrag nopan" onClick={(e) => { e.stopPropagation(); doc.reveal(at); }}>Show {at.slice(at.lastIndexOf(".") + 1)}</button>}
      {note.fix && !readonly && (
        <button type="button" className="fix nodrag nopan" onClick={(e) => { e.stopPropagation(); editor(e).focus({ preventScroll: true }); doc.fix(path, note.code!); }}>Fix: {note.fix}</button>
      )}
    </>
  );
}

export const TensorEdge = memo(function TensorEdge(p: EdgeProps<FEdge>) {
  const { live } = useContext(Ctx);
  const { id, source, target } = p;
  const label = useDoc((s) => s.notes[s.at + source]?.shape);
  const lr = useDoc((s) => s.dir === "LR");
  const [path, x, y] = course(p, lr);
  const width = 6.1 * (label?.length ?? 0) + 8; // of a monospaced 10 px text: measuring it costs a layout per wire
  const room = lr ? Math.abs(p.targetX - p.sourceX) > width + 16 : Math.abs(p.targetY - p.sourceY) > 24;
  const ref = useCallback((el: SVGGElement | null) => live.wire(id, el && { el, source, target }), [id, source, target, live]);
  return (
    <g ref={ref} className="tensor">
      <BaseEdge path={path} interactionWidth={24} />
      {room && label && <rect className="size" x={x - width / 2} y={y - 7} width={width} height={14} />}
      {room && label && <text className="size" x={x} y={y}>{label}</text>}
    </g>
  );
});
