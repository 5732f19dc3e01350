// A network as a plain list: in the order of the flow, and, where it is one chain, edits of that order.
import { connect, disconnect, portOf, type FNode, type Net } from "./graph";

/** The layers, sources first, ties in drawing order; what is on a circle stands last. */
export function sequence(net: Net): FNode[] {
  const layers = net.nodes.filter((n) => n.type === "layer"), left = new Map(layers.map((n) => [n.id, 0]));
  for (const e of net.edges) left.set(e.target, (left.get(e.target) ?? 0) + 1);
  const done: FNode[] = [], open = layers.filter((n) => !left.get(n.id));
  while (open.length) {
    const node = open.shift()!;
    done.push(node);
    for (const e of net.edges.filter((e) => e.source === node.id)) {
      left.set(e.target, left.get(e.target)! - 1);
      const target = layers.find((n) => n.id === e.target);
      if (target && left.get(e.target) === 0) open.unshift(target); // follow one branch to its end
    }
  }
  return [...done, ...layers.filter((n) => !done.includes(n))];
}

const into = (net: Net, id: string) => net.edges.filter((e) => e.target === id);
const outOf = (net: Net, id: string) => net.edges.filter((e) => e.source === id);

/** Whether `id` is a link of a chain: one layer feeds it and it feeds one. Only such links are moved in a list. */
export const isLink = (net: Net, id: string) => into(net, id).length === 1 && outOf(net, id).length === 1;

/** Puts the link `id` one place earlier (-1) or later (1) in its chain; null where there is no such place. */
export function moved(net: Net, id: string, by: -1 | 1): Net | null {
  if (!isLink(net, id)) return null;
  const other = by < 0 ? into(net, id)[0].source : outOf(net, id)[0].target;
  if (!isLink(net, other)) return null;
  const [first, second] = by < 0 ? [other, id] : [id, other];
  const before = into(net, first)[0], between = outOf(net, first)[0], behind = outOf(net, second)[0];
  const rest = disconnect(net, new Set([before.id, between.id, behind.id]));
  const wires = [
    { source: before.source, target: second, port: portOf(between) }, // each keeps the input that it had
    { source: second, target: first, port: portOf(before) },
    { source: first, target: behind.target, port: portOf(behind) },
  ];
  return swapped(wires.reduce(connect, rest), first, second);
}
function swapped(net: Net, a: string, b: string): Net {
  const at = (id: string) => net.nodes.find((n) => n.id === id)!.position;
  const [pa, pb] = [at(a), at(b)];
  return { ...net, nodes: net.nodes.map((n) => (n.id === a ? { ...n, position: pb } : n.id === b ? { ...n, position: pa } : n)) };
}
