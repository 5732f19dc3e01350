// The colours of groups come with the palette (builder/colors.py); those of what is live are here.
import type { Palette } from "./types";

export function groupColor(palette: Palette, group: string | undefined): string {
  return palette.colors[group ?? ""] ?? palette.colors[""];
}

// Blue, grey, orange. 33 steps: more cannot be told apart, and an unchanged step touches no style.
const COLD = [0, 114, 178], MID = [150, 150, 150], HOT = [213, 94, 0];
export const STEPS = 32;
export const RAMP = Array.from({ length: STEPS + 1 }, (_, i) => {
  const t = i / STEPS;
  const [a, b, u] = t < 0.5 ? [COLD, MID, t * 2] : [MID, HOT, t * 2 - 1];
  return `rgb(${a.map((v, k) => Math.round(v + (b[k] - v) * u)).join(" ")})`;
});
export const TINT = RAMP.map((c) => `color-mix(in srgb, ${c} 30%, var(--bg))`);
