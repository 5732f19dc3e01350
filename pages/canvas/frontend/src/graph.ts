// The drawing as a value, and edits as functions from one drawing to the next. No React, no state.
import type { Edge, Node } from "@xyflow/react";
import type { Edit, GEdge, GNode, Graph, GSticky, LayerSpec, Params } from "./types";

/** A layer, or a sticky note: that is no layer of the catalogue, and its label is its text. */
export type FNode = Node<{ layer: string; params: Params; label: string; inner?: Graph }, "layer" | "note">;
export type FEdge = Edge<Record<string, never>, "tensor">;
export interface Net { nodes: FNode[]; edges: FEdge[] }
export type Specs = Map<string, LayerSpec>;
export interface Point { x: number; y: number }

export const WIDTH = 176, HEIGHT = 78, GAP = 96; // of a node before it is measured, and between columns
const MAX_PORTS = 32;

export const portOf = (edge: FEdge) => Number(edge.targetHandle!.slice(2));
export const sizeOf = (n: FNode) => ({ w: n.measured?.width ?? WIDTH, h: n.measured?.height ?? HEIGHT });
export const called = (n: FNode | undefined) => (n?.type === "note" ? "Note" : n ? n.data.label || n.id : "?");

export function flowNode(n: GNode): FNode {
  const position = { x: n.position[0], y: n.position[1] };
  return { id: n.id, type: "layer", position, data: { layer: n.type, params: n.params ?? {}, label: n.label ?? "", inner: n.inner } };
}
export function flowSticky({ id, text, position: [x, y], size: [width, height] }: GSticky): FNode {
  return { id, type: "note", position: { x, y }, width, height, zIndex: -1, data: { layer: "", params: {}, label: text } };
}
export function flowEdge({ source, target, port }: GEdge): FEdge {
  const id = `${source}>${target}:${port}`;
  return { id, type: "tensor", source, target, sourceHandle: "out", targetHandle: `in${port}` };
}
export function toFlow(g: Graph): Net {
  const edges = new Map(g.edges.map(flowEdge).map((e) => [e.id, e])); // the same wire twice is one
  return { nodes: [...g.nodes.map(flowNode), ...(g.notes ?? []).map(flowSticky)], edges: [...edges.values()] };
}
export const wireOf = (e: FEdge): GEdge => ({ source: e.source, target: e.target, port: portOf(e) });
export function fromFlow(net: Net): Graph {
  const at = (n: FNode) => [Math.round(n.position.x), Math.round(n.position.y)] as [number, number];
  const layers = net.nodes.filter((n) => n.type === "layer"), notes = net.nodes.filter((n) => n.type === "note");
  return {
    nodes: layers.map((n) => {
      const { layer, params, label, inner } = n.data;
      return { id: n.id, type: layer, params, label, position: at(n), ...(inner && { inner }) };
    }),
    edges: net.edges.map(wireOf),
    notes: notes.map((n) => ({ id: n.id, text: n.data.label, position: at(n), size: [Math.round(n.width!), Math.round(n.height!)] })),
  };
}

export const BLOCK = "Block";
/** What the catalogue says of a node; a block has the ports that the Inputs in it make. */
export function specOf(specs: Specs, n: Pick<FNode, "data"> | undefined): LayerSpec | undefined {
  const spec = specs.get(n?.data.layer ?? "");
  if (!spec || n?.data.layer !== BLOCK) return spec;
  const inputs = (n.data.inner?.nodes ?? []).filter((m) => m.type === "Input").map((m) => ({ name: m.label || m.id, variadic: false }));
  return { ...spec, ports: inputs.length ? inputs : [{ name: "input", variadic: false }] };
}

/** " × 3" for a block that repeats. */
export const repeats = (n: Pick<FNode, "data">) => (n.data.layer === BLOCK && Number(n.data.params.repeat) > 1 ? ` × ${n.data.params.repeat}` : "");

/** How many inputs a node shows: a variadic layer always has a free one, and two at least. */
export function portCount(net: Net, spec: LayerSpec | undefined, id: string): number {
  if (!spec) return Math.max(1, ...net.edges.filter((e) => e.target === id).map((e) => portOf(e) + 1));
  if (!spec.ports.at(-1)?.variadic) return spec.ports.length;
  const used = net.edges.filter((e) => e.target === id).map(portOf);
  return Math.min(MAX_PORTS, Math.max(spec.ports.length + 1, ...used.map((p) => p + 2)));
}

/** Everything that `id` feeds, directly or not, and itself. */
export function downstream(net: Net, id: string): Set<string> {
  const feeds = new Map<string, string[]>();
  for (const e of net.edges) feeds.set(e.source, [...(feeds.get(e.source) ?? []), e.target]);
  const seen = new Set([id]), todo = [id];
  while (todo.length) {
    for (const next of feeds.get(todo.pop()!) ?? []) if (!seen.has(next)) { seen.add(next); todo.push(next); }
  }
  return seen;
}

/** Why `source` may not feed `target`, in words, or null if it may. */
export function refuse(net: Net, specs: Specs, source: string, target: string): string | null {
  const from = net.nodes.find((n) => n.id === source), to = net.nodes.find((n) => n.id === target);
  if (!from || !to) return "That layer is gone.";
  if (source === target) return `${called(to)} cannot feed itself. Connect it to another layer.`;
  if (specOf(specs, to)?.ports.length === 0) return `${called(to)} takes no input. Connect it to another layer.`;
  if (specOf(specs, from)?.outputs === 0) return `${called(from)} has no output. Start from another layer.`;
  if (downstream(net, target).has(source)) {
    return `${called(to)} already leads to ${called(from)}: this wire would close a loop. Connect it the other way round.`;
  }
  return null;
}

/** Puts a wire on `port`, in the place of what was there (as Graph.connect does). */
export function connect(net: Net, wire: GEdge): Net {
  const kept = net.edges.filter((e) => !(e.target === wire.target && portOf(e) === wire.port));
  return { ...net, edges: [...kept, flowEdge(wire)] };
}
export function disconnect(net: Net, ids: Set<string>): Net {
  return { ...net, edges: net.edges.filter((e) => !ids.has(e.id)) };
}
/** The first input of `target` without a wire, else its last one. */
export function freePort(net: Net, specs: Specs, target: string): number {
  const count = portCount(net, specOf(specs, net.nodes.find((n) => n.id === target)), target);
  const taken = new Set(net.edges.filter((e) => e.target === target).map(portOf));
  let port = 0;
  while (taken.has(port) && port < count - 1) port += 1;
  return port;
}

/** Without `id` and its wires (as Graph.remove does). */
export function remove(net: Net, id: string): Net {
  const edges = net.edges.filter((e) => e.source !== id && e.target !== id);
  return { nodes: net.nodes.filter((n) => n.id !== id), edges };
}
/** Without `id`; what fed it, if that is one layer, now feeds what it fed. */
export function heal(net: Net, id: string): Net {
  const into = net.edges.filter((e) => e.target === id), out = net.edges.filter((e) => e.source === id);
  const left = remove(net, id);
  if (into.length !== 1) return left;
  return out.reduce((n, e) => connect(n, { ...wireOf(e), source: into[0].source }), left);
}

/** Takes the wire `edge` apart and leads it through `id`, moving what is downstream out of the way. */
export function insert(net: Net, edge: FEdge, id: string): Net {
  const { source, target, port } = wireOf(edge);
  const cut = disconnect(net, new Set([edge.id]));
  return makeRoom(connect(connect(cut, { source, target: id, port: 0 }), { source: id, target, port }), id, target);
}
function makeRoom(net: Net, id: string, next: string): Net {
  const a = net.nodes.find((n) => n.id === id)!, b = net.nodes.find((n) => n.id === next)!;
  const rightwards = b.position.x > a.position.x - WIDTH, level = Math.abs(b.position.y - a.position.y) < HEIGHT;
  const dx = a.position.x + sizeOf(a).w + GAP - b.position.x;
  if (!rightwards || !level || dx <= 0) return net;
  const behind = downstream(net, next);
  const push = (n: FNode) => (behind.has(n.id) ? { ...n, position: { x: n.position.x + dx, y: n.position.y } } : n);
  return { ...net, nodes: net.nodes.map(push) };
}

/** `at` or the first place below where `w` × `h` covers nothing, on the grid. */
export function freePlace(net: Net, at: Point, w: number, h: number): Point {
  const x = Math.round(at.x / 10) * 10;
  let y = Math.round(at.y / 10) * 10;
  const hit = (n: FNode) => n.position.x < x + w && n.position.x + sizeOf(n).w > x && n.position.y < y + h && n.position.y + sizeOf(n).h > y;
  for (let over = net.nodes.filter(hit); over.length; over = net.nodes.filter(hit)) {
    y = Math.ceil((Math.max(...over.map((n) => n.position.y + sizeOf(n).h)) + 10) / 10) * 10;
  }
  return { x, y };
}

export function freshId(type: string, used: Set<string>): string {
  let k = 1;
  while (used.has(`${type.toLowerCase()}_${k}`)) k += 1;
  return `${type.toLowerCase()}_${k}`;
}

/** Copies of `nodes`, a little lower, with the wires among them; the copies are selected. */
export function duplicate(net: Net, nodes: FNode[], used: Set<string>): Net {
  const twin = new Map<string, string>();
  for (const n of nodes) { const id = freshId(n.data.layer || "note", used); used.add(id); twin.set(n.id, id); }
  const copies = nodes.map(({ measured: _, ...n }) => ({
    ...n, id: twin.get(n.id)!, position: { x: n.position.x + 30, y: n.position.y + sizeOf(n).h + 30 }, selected: true,
  }));
  const wires = net.edges.filter((e) => twin.has(e.source) && twin.has(e.target)).map((e) =>
    flowEdge({ ...wireOf(e), source: twin.get(e.source)!, target: twin.get(e.target)! }));
  return { nodes: [...select(net.nodes, new Set()), ...copies], edges: [...net.edges, ...wires] };
}

export function select(nodes: FNode[], ids: Set<string>): FNode[] {
  return nodes.map((n) => (!!n.selected === ids.has(n.id) ? n : { ...n, selected: ids.has(n.id) }));
}

/** One edit of builder/edit.py, with the same result as there. */
export function apply(net: Net, edit: Edit): Net {
  const change = (id: string, data: (n: FNode) => Partial<FNode["data"]>): Net => ({
    ...net, nodes: net.nodes.map((n) => (n.id === id ? { ...n, data: { ...n.data, ...data(n) } } : n)),
  });
  switch (edit.op) {
    case "add_node": return { ...net, nodes: [...net.nodes, flowNode(edit.node)] };
    case "add_note": return { ...net, nodes: [...net.nodes, flowSticky(edit.note)] };
    case "remove_node": return remove(net, edit.id);
    case "set_params": return change(edit.id, (n) => ({ params: { ...n.data.params, ...edit.params } }));
    case "set_label": return change(edit.id, () => ({ label: edit.label }));
    case "inside": return change(edit.id, (n) => (n.data.inner ? { inner: fromFlow(edit.edits.reduce(apply, toFlow(n.data.inner))) } : {}));
    case "connect": return connect(net, edit.edge);
    case "disconnect": return disconnect(net, new Set([flowEdge(edit.edge).id]));
  }
}

/** Python does not see sizes: nodes it added on top of another one are put between their neighbours. */
export function settle(net: Net, added: Set<string>): Net {
  return net.nodes.filter((n) => added.has(n.id) && n.type === "layer" && covered(net, n)).reduce(place, net);
}
function place(net: Net, n: FNode): Net {
  const into = net.edges.find((e) => e.target === n.id), out = net.edges.find((e) => e.source === n.id);
  const before = net.nodes.find((m) => m.id === into?.source), after = net.nodes.find((m) => m.id === out?.target);
  if (!before && !after) return net;
  const x = before ? before.position.x + sizeOf(before).w + GAP : after!.position.x - WIDTH - GAP;
  const y = (before ?? after)!.position.y;
  const moved = { ...net, nodes: net.nodes.map((m) => (m.id === n.id ? { ...m, position: { x, y } } : m)) };
  return after ? makeRoom(moved, n.id, after.id) : moved;
}
function covered(net: Net, n: FNode): boolean {
  return net.nodes.some((m) => m.id !== n.id && m.type === "layer" && Math.abs(m.position.x - n.position.x) < WIDTH * 0.7
    && Math.abs(m.position.y - n.position.y) < HEIGHT * 0.7);
}
