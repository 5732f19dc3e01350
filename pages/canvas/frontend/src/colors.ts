// Colours that stay apart for the colour-blind: one per group of layers (Okabe & Ito 2008, and two more), the live ramp.
import type { Palette } from "./types";

const GREY = "#7f7f7f";
const GROUPS = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#b8a800", GREY, "#882255", "#5b4bb5"];
export function groupColor(palette: Palette, group: string | undefined): string {
  const i = palette.groups.indexOf(group ?? "");
  return i < 0 ? GREY : GROUPS[i % GROUPS.length];
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
