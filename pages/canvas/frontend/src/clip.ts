// The selection as text: a document of its own, which another tab, a file or a message can carry (builder/document.py).
import { fromFlow, type FNode, type Net } from "./graph";

export const MAX_CHARS = 2_000_000; // what builder/document.py reads

export function asText(net: Net, nodes: FNode[]): string {
  const kept = new Set(nodes.map((n) => n.id));
  const edges = net.edges.filter((e) => kept.has(e.source) && kept.has(e.target));
  return JSON.stringify({ format: "layerloom", version: 1, ...fromFlow({ nodes, edges }) }, null, 1);
}
