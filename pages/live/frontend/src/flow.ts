// Colours of the canvas by gradient flow.

import { num } from "./format";

const clamp = (x: number): number => Math.min(1, Math.max(0, x));
/** 0 where `norm` is at or below 10^lo, 1 from 10^hi on, linear in log10 between. */
const ramp = (norm: number, lo: number, hi: number): number => clamp((Math.log10(norm) - lo) / (hi - lo));

/**
 * How a layer's gradient norm stands: 0 has vanished, 0.5 is healthy, 1 has exploded; continuous in between.
 * Vanished is 1e-6 or less (healthy from 1e-3), or a 10,000th of the largest layer or less (healthy from a 100th);
 * exploded is 1,000 or more (healthy up to 10).
 */
export function health(norm: number, largest: number): number {
  if (!(norm > 0)) return 0;
  const big = ramp(norm, 1, 3);
  const small = Math.min(ramp(norm, -6, -3), Math.max(big, ramp(norm / largest, -4, -2)));
  return 0.5 * small + 0.5 * big;
}

export interface Flow {
  run: string;
  nodes: Record<string, { c: number; t: string }>;
  edges: Record<string, never>;
}

/** Tells the canvas (and whoever mounts later, through the global) how gradients flow. */
export function publish(run: string, ids: string[], norms: (number | null)[]): void {
  const largest = Math.max(...norms.map((g) => g ?? 0));
  const nodes: Flow["nodes"] = {};
  norms.forEach((g, i) => {
    if (g !== null) nodes[ids[i]!] = { c: health(g, largest), t: `‖g‖ ${num(g)}` };
  });
  const detail: Flow = { run, nodes, edges: {} };
  const all = ((globalThis as any).__layerloomLive ??= {});
  all[run] = detail;
  window.dispatchEvent(new CustomEvent("layerloom:live", { detail }));
}
