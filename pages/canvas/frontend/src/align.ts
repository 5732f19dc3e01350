// Bringing several nodes into line. Pure: places in, places out.
import { sizeOf, type FNode, type Point } from "./graph";

export type Alignment = "left" | "top" | "spread";

/** New places for `nodes`: left or upper edges in line, or equal gaps along the way in which they extend most. */
export function align(nodes: FNode[], how: Alignment): Map<string, Point> {
  if (how === "spread") return spread(nodes);
  const x = Math.min(...nodes.map((n) => n.position.x)), y = Math.min(...nodes.map((n) => n.position.y));
  return new Map(nodes.map((n) => [n.id, how === "left" ? { x, y: n.position.y } : { x: n.position.x, y }]));
}

function spread(nodes: FNode[]): Map<string, Point> {
  const extent = (k: "x" | "y") => Math.max(...nodes.map((n) => n.position[k])) - Math.min(...nodes.map((n) => n.position[k]));
  const k = extent("x") >= extent("y") ? "x" : "y";
  const size = (n: FNode) => (k === "x" ? sizeOf(n).w : sizeOf(n).h);
  const sorted = [...nodes].sort((a, b) => a.position[k] - b.position[k]);
  const first = sorted[0], last = sorted.at(-1)!;
  const inner = sorted.slice(0, -1).reduce((sum, n) => sum + size(n), 0);
  const gap = (last.position[k] - first.position[k] - inner) / Math.max(1, sorted.length - 1);
  let next = first.position[k];
  return new Map(sorted.map((n) => {
    const at = { ...n.position, [k]: Math.round(next) };
    next += size(n) + gap;
    return [n.id, at];
  }));
}
