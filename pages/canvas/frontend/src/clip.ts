// The selection as text: a document of its own, which another tab, a file or a message can carry (builder/document.py).
import { fromFlow, type FNode, type Net } from "./graph";

export const MAX_CHARS = 2_000_000; // what builder/document.py reads
const KEPT = "layerloom:copied"; // where a browser gives no access to its clipboard, other tabs find it here

export function asText(net: Net, nodes: FNode[]): string {
  const kept = new Set(nodes.map((n) => n.id));
  const edges = net.edges.filter((e) => kept.has(e.source) && kept.has(e.target));
  return JSON.stringify({ format: "layerloom", version: 2, ...fromFlow({ nodes, edges }) }, null, 1);
}

/** Keys and menus of the browser hand us its clipboard; a button of ours has to ask for it. */
export function toClipboard(text: string) {
  try { localStorage.setItem(KEPT, text); } catch { /* full or forbidden: the clipboard may still work */ }
  void navigator.clipboard?.writeText(text).catch(() => {});
}
export async function fromClipboard(): Promise<string> {
  const kept = () => { try { return localStorage.getItem(KEPT) ?? ""; } catch { return ""; } };
  try {
    return (await navigator.clipboard.readText()) || kept();
  } catch { // not a secure page, or not allowed
    return kept();
  }
}
