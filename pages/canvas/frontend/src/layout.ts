import dagre from "@dagrejs/dagre";
import { GAP, HEIGHT, sizeOf, type FNode, type Net, type Point } from "./graph";

type Places = Map<string, Point>;

/** Layers in columns (LR) or rows (TB), few crossings (Sugiyama et al. 1981, by dagre). */
export function arrange(net: Net, dir: "LR" | "TB"): Places {
  const nodes = net.nodes.filter((n) => n.type === "layer");
  const g = new dagre.graphlib.Graph();
  g.setGraph({ rankdir: dir, nodesep: 36, ranksep: dir === "LR" ? GAP : 48, marginx: 20, marginy: 20 });
  g.setDefaultEdgeLabel(() => ({}));
  for (const n of nodes) g.setNode(n.id, { width: sizeOf(n).w, height: sizeOf(n).h });
  for (const e of net.edges) g.setEdge(e.source, e.target);
  dagre.layout(g);
  const at: Places = new Map(nodes.map((n) => {
    const p = g.node(n.id);
    const up = dir === "LR" ? HEIGHT : p.height; // tops in line, so that wires between single ports are straight
    return [n.id, { x: Math.round(p.x - p.width / 2), y: Math.round(p.y - up / 2) }];
  }));
  return dir === "LR" ? wrap(at, nodes) : at;
}

/** Breaks a long left-to-right network into rows, like lines of text, so that it fits a screen. */
function wrap(at: Places, nodes: FNode[], aspect = 1.9): Places {
  const width = Math.max(0, ...nodes.map((n) => at.get(n.id)!.x + sizeOf(n).w));
  const height = Math.max(0, ...nodes.map((n) => at.get(n.id)!.y + sizeOf(n).h)) + 70;
  const rows = Math.max(1, Math.round(Math.sqrt(width / (height * aspect))));
  if (rows === 1) return at;
  const limit = width / rows;
  let row = 0, start = 0;
  for (const n of [...nodes].sort((a, b) => at.get(a.id)!.x - at.get(b.id)!.x)) {
    const p = at.get(n.id)!;
    if (p.x - start > limit) { row += 1; start = p.x; }
    at.set(n.id, { x: p.x - start + 20, y: p.y + row * height });
  }
  return at;
}
