// Pictures of the newest state: what the activations look like now, and what the network says where.

import type { History } from "../history";
import { num, short } from "../format";
import { CLASSES, SCALE } from "../theme";
import type { Data, Json } from "../types";
import { escape, layout, type Chart, type Entry, type Figure, type View } from "./chart";

const BINS = 48;

/** Counts over [lo, hi] shared out over `BINS` equal bins of [from, to]. */
function rebin(h: { lo: number; hi: number; counts: number[] }, from: number, to: number): number[] {
  const out = new Array<number>(BINS).fill(0), width = (h.hi - h.lo) / h.counts.length, bin = (to - from) / BINS;
  h.counts.forEach((count, i) => {
    const a = h.lo + i * width, b = a + width;
    const first = Math.max(0, Math.floor((a - from) / bin)), last = Math.min(BINS - 1, Math.floor((b - from) / bin));
    for (let k = first; k <= last; k++) {
      const overlap = Math.min(b, from + (k + 1) * bin) - Math.max(a, from + k * bin);
      out[k]! += width > 0 ? (count * Math.max(0, overlap)) / width : k === first ? count : 0;
    }
  });
  return out;
}

export const histogram: Chart = {
  id: "histogram",
  period: 400,
  each: true,
  title: () => "Activations now, layer by layer",
  says: () => "A spread-out row uses its units. All in one bin, or piled up at the ends, means that signals are lost.",
  kinds: ["hist"],
  shown: (history) => !history.started || history.activationIds.length > 0,
  figure(view): Figure {
    const hist = view.history.hist ?? {}, all = ofCopy(view, hist);
    return ended(Object.keys(hist).length > 0, mountains(view, all, view.history.activationIds.filter((id) => all[id]), false));
  },
};

/** Of `all`, node id → histogram, those of the copy that is shown; none of one that trains no more. */
export function ofCopy(view: View, all: Record<string, Json>): Record<string, Histogram> {
  const own = Object.entries(all).map(([id, histogram]) => [id, histogram.copies ? histogram.copies[view.copy] : histogram]);
  return Object.fromEntries(own.filter(([, histogram]) => histogram));
}

/** `figure`, or in words why there is no picture of the copy that is shown though `others` have one. */
export const ended = (others: boolean, figure: Figure): Figure =>
  others && !figure.data.length ? { ...figure, note: "This copy has ended: there is no newer picture of it." } : figure;

type Histogram = { lo: number; hi: number; counts: number[] };

/** A row of colour for the histogram of each of `ids`: over one axis for all, or over `own` ones from minus to plus the largest size. */
export function mountains(view: View, all: Record<string, Histogram>, ids: string[], own: boolean): Figure {
  const size = (id: string) => Math.max(Math.abs(all[id]!.lo), Math.abs(all[id]!.hi)) || 1;
  const scaled = (id: string): Histogram => ({ ...all[id]!, lo: all[id]!.lo / size(id), hi: all[id]!.hi / size(id) });
  const shown = own ? ids.map(scaled) : ids.map((id) => all[id]!);
  const from = own ? -1 : Math.min(...shown.map((h) => h.lo)), to = own ? 1 : Math.max(...shown.map((h) => h.hi));
  if (!ids.length || !(to > from)) return { data: [], layout: layout(view, { range: [-1, 1] }, { range: [0, 4], showticklabels: false }), legend: [] };
  const rows = shown.map((h) => rebin(h, from, to));
  const z = rows.map((row) => row.map((c) => Math.sqrt(c / Math.max(1e-12, ...row))));
  const share = rows.map((row) => row.map((c) => (100 * c) / Math.max(1e-12, row.reduce((a, b) => a + b, 0))));
  const data = [{
    type: "heatmap", z, x0: from + (to - from) / BINS / 2, dx: (to - from) / BINS, y: ids.map((_, i) => i),
    zmin: 0, zmax: 1, showscale: false, colorscale: SCALE, customdata: share, ygap: 1,
    hovertemplate: own ? "%{x:.2f} of the largest: %{customdata:.1f} % of the weights<extra></extra>"
      : "value %{x:.3~g}: %{customdata:.1f} % of the units<extra></extra>",
  }];
  const every = Math.ceil(ids.length / 10), ticks = ids.map((_, i) => i).filter((i) => i % every === 0);
  const label = (id: string) => escape(short(view.name(id))) + (own ? `<br>± ${num(size(id))}` : "");
  const y = { tickvals: ticks, ticktext: ticks.map((i) => label(ids[i]!)) };
  const x = own ? { tickvals: [-0.5, 0, 0.5], ticktext: ["−½ of the largest", "0", "½"] } : { title: { text: "value", standoff: 4 } };
  return { data, layout: layout(view, x, y), legend: [] };
}

const bytes = (text: string): Uint8Array => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));

function surface(b: Json, classes: number): Json {
  const cells = bytes(b.z), n: number = b.n;
  const z = Array.from({ length: n }, (_, i) => Array.from(cells.subarray(i * n, (i + 1) * n)));
  const [dx, dy] = [(b.x[1] - b.x[0]) / (n - 1), (b.y[1] - b.y[0]) / (n - 1)];
  const common = { type: "heatmap", z, x0: b.x[0], dx, y0: b.y[0], dy, showscale: false, hoverinfo: "skip", opacity: 0.75 };
  if (b.mode === "class") return { ...common, zmin: -0.5, zmax: classes - 0.5, colorscale: steps(classes) };
  return { ...common, zmin: 0, zmax: 255, zsmooth: "fast", colorscale: b.mode === "share" ? TWO : SCALE };
}

/** Blue is class 0, orange class 1, and white undecided. */
const TWO: [number, string][] = [[0, CLASSES[0]!], [0.5, "#f7f7f7"], [1, CLASSES[1]!]];

const steps = (n: number): [number, string][] =>
  Array.from({ length: n }, (_, i) => [[i / n, CLASSES[i % 10]!], [(i + 1) / n, CLASSES[i % 10]!]] as [number, string][]).flat();

const POINTS = [["training points", "dot"], ["validation points", "ring"]] as const;

/** Training points filled, validation points as rings; one trace for each class, since a colour per point is dear. */
function dots(view: View, validation: boolean): Json[] {
  const points = view.data.points.filter((p) => p[3] === validation), b = ground(view);
  const regression = b ? b.mode === "value" : points.some((p) => !Number.isInteger(p[2]));
  if (regression) return [cloud(view, validation, points, points.map((p) => p[2]), { colorscale: SCALE, cmin: b?.zlo, cmax: b?.zhi })];
  const classes = [...new Set(points.map((p) => p[2]))].sort((u, v) => u - v);
  return classes.map((c) => cloud(view, validation, points.filter((p) => p[2] === c), CLASSES[c % CLASSES.length]!));
}

function cloud(view: View, validation: boolean, points: Data["points"], color: string | number[], scale: Json = {}): Json {
  const name = POINTS[Number(validation)]![0];
  const look = validation
    ? { size: 5.5, symbol: "circle-open", line: { width: 1.5 } }
    : { size: 5, line: { width: 0.7, color: "#ffffff" } };
  return {
    type: "scatter", mode: "markers", name, x: points.map((p) => p[0]), y: points.map((p) => p[1]),
    marker: { ...look, color, ...scale }, visible: !view.hidden.has(name), hoverinfo: "skip",
  };
}

/** The answer of the copy that is shown; null while there is none, and of one that trains no more. */
function ground(view: View): Json | null {
  const b = view.history.boundary;
  if (!b?.copies) return b;
  const own = Object.fromEntries(Object.entries<any[]>(b.copies).map(([field, each]) => [field, each[view.copy]]));
  return own.z ? own : null;
}

const is2d = (history: History, data: Data): boolean => data.points.length > 0 || history.boundary !== null;

export const boundary: Chart = {
  id: "boundary",
  each: true,
  title: (history) => (history.started?.task === "regression" ? "What the network predicts" : "Decision boundary"),
  says: () => "The background is the network's answer at each place; points of the same colour should lie on it.",
  kinds: ["boundary"],
  shown: is2d,
  figure(view): Figure {
    const b = ground(view), data: Json[] = b ? [surface(b, Math.max(2, view.history.started?.classes?.length ?? 2))] : [];
    if (view.data.points.length) data.push(...dots(view, false), ...dots(view, true));
    const range = (axis: "x" | "y") => (b ? { range: b[axis] } : {});
    const flat = { showgrid: false, nticks: 5 };
    const legend = view.data.points.length
      ? POINTS.map(([name, mark]): Entry => ({ name, colour: view.theme.text, mark }))
      : [];
    const figure = { data, layout: layout(view, { ...flat, ...range("x") }, { ...flat, ...range("y") }), legend };
    return view.history.boundary && !b ? ended(true, { ...figure, data: [] }) : figure;
  },
};
