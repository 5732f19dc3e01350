// Drawings in drawings: which block is open, and the whole document around what is seen.
import { apply, flowEdge, fromFlow, portOf, toFlow, wireOf, type FEdge, type FNode, type Net } from "./graph";
import type { Edit, GNode, Graph } from "./types";

/** An open block and the drawing it stands in. What `net` says is in the block is older than what is seen. */
export interface Frame { id: string; net: Net }
/** What is seen, and the drawings around it, outermost first. */
export interface Snap extends Net { outer: readonly Frame[] }

export const pathOf = (s: Snap) => s.outer.map((f) => f.id);
export const netOf = ({ nodes, edges }: Net): Net => ({ nodes, edges });

/** The document. */
export function whole(s: Snap): Graph {
  return s.outer.reduceRight((inner, f) => fromFlow(filled(f.net, f.id, inner)), fromFlow(s));
}
function filled(net: Net, id: string, inner: Graph): Net {
  return { ...net, nodes: net.nodes.map((n) => (n.id === id ? { ...n, data: { ...n.data, inner } } : n)) };
}

export function descend(s: Snap, id: string): Snap {
  const inner = s.nodes.find((n) => n.id === id)?.data.inner;
  return inner ? { ...toFlow(inner), outer: [...s.outer, { id, net: netOf(s) }] } : s;
}
export function ascend(s: Snap): Snap {
  const frame = s.outer.at(-1);
  return frame ? { ...filled(frame.net, frame.id, fromFlow(s)), outer: s.outer.slice(0, -1) } : s;
}
/** Opens the block that `path` leads to, as far as there is one. */
export function visit(s: Snap, path: readonly string[]): Snap {
  while (!s.outer.every((f, i) => f.id === path[i])) s = ascend(s);
  return path.slice(s.outer.length).reduce(descend, s);
}

/** Edits that are addressed from the outermost drawing (builder/edit.py), whatever is open. */
export function edited(s: Snap, edits: readonly Edit[]): Snap {
  return edits.reduce((now, e) => closed(at(now, 0, e)), s);
}
function at(s: Snap, depth: number, edit: Edit): Snap {
  const frame = s.outer[depth];
  if (!frame) return { ...apply(netOf(s), edit), outer: s.outer };
  if (edit.op === "inside" && edit.id === frame.id) return edit.edits.reduce((now, e) => at(now, depth + 1, e), s);
  return { ...s, outer: s.outer.map((f, i) => (i === depth ? { ...f, net: apply(f.net, edit) } : f)) };
}
/** Without the blocks that are open and no longer there. */
function closed(s: Snap): Snap {
  const gone = s.outer.findIndex((f) => !f.net.nodes.some((n) => n.id === f.id));
  return gone < 0 ? s : { ...s.outer[gone].net, outer: s.outer.slice(0, gone) };
}

/** The Inputs in a block are its ports, in this order. */
export const entries = (nodes: readonly { id: string; layer: string }[]) => nodes.filter((n) => n.layer === "Input").map((n) => n.id);
const ports = (net: Net) => entries(net.nodes.map((n) => ({ id: n.id, layer: n.data.layer })));

/** After an edit inside: the wires around the block follow the Inputs that they led to. */
export function rewired(was: Snap, now: Snap): Snap {
  const before = ports(was), after = ports(now), frame = now.outer.at(-1);
  if (!frame || before.join() === after.join() || pathOf(was).join() !== pathOf(now).join()) return now;
  const follow = (e: FEdge): FEdge[] => {
    if (e.target !== frame.id) return [e];
    const port = after.indexOf(before[portOf(e)]);
    return port < 0 ? [] : [flowEdge({ ...wireOf(e), port })];
  };
  return { ...now, outer: [...now.outer.slice(0, -1), { ...frame, net: { ...frame.net, edges: frame.net.edges.flatMap(follow) } }] };
}

/** Every node of the document with the path of the block that it stands in. */
export function everywhere(s: Snap): { node: GNode; path: string[] }[] {
  const walk = (g: Graph, path: string[]): { node: GNode; path: string[] }[] =>
    g.nodes.flatMap((node) => [{ node, path }, ...(node.inner ? walk(node.inner, [...path, node.id]) : [])]);
  return walk(whole(s), []);
}

/** Layers that stand for the ports of the block that is open. */
export const isPort = (s: { outer: readonly Frame[] }, n: FNode) => s.outer.length > 0 && (n.data.layer === "Input" || n.data.layer === "Output");

/** The same text for the same drawing, whichever side wrote it: Python leaves out what is empty. */
export function canonical(g: Graph): string {
  const sorted = (p: object = {}) => Object.entries(p).sort(([a], [b]) => (a < b ? -1 : 1));
  const node = (n: GNode): unknown => [n.id, n.type, sorted(n.params), n.label ?? "", n.position.map(Math.round), n.inner ? canonical(n.inner) : null];
  const wires = g.edges.map((e) => [e.source, e.target, e.port]), notes = (g.notes ?? []).map((n) => [n.id, n.text, n.position.map(Math.round), n.size.map(Math.round)]);
  return JSON.stringify([g.nodes.map(node), wires, notes]);
}
/** Whether two drawings are the same document: what is selected, measured or open is no part of it. */
export const same = (a: Snap, b: Snap) => a === b || canonical(whole(a)) === canonical(whole(b));
