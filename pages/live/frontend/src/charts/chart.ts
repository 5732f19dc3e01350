import type { History, Marker } from "../history";
import { num } from "../format";
import type { Line, Series } from "../series";
import type { Theme } from "../theme";
import type { Data, Json } from "../types";

export const MOST_POINTS = 300; // of one line
export const MOST_LINES = 12; // more layers than this are drawn as a heat map
export const BANDED = 4; // lines: more bands than this hide each other
const LABEL_PX = 13; // room for one vertical marker label
const MARKER_LABELS = 12;

export interface Entry {
  name: string;
  colour: string;
  mark?: "dash" | "dot" | "ring";
}

export interface Figure {
  data: Json[];
  layout: Json;
  legend: Entry[];
  note?: string; // said instead of the picture when there is nothing to draw
}

/** What a chart is drawn from. `from` and `to` are the steps on screen. */
export interface View {
  history: History;
  past: number | null; // the step that is looked back at
  ghost: History | null; // the run that this one goes on from
  data: Data;
  theme: Theme;
  option: string;
  copy: number; // of several copies of the network, the one that pictures show, from 0
  hidden: Set<string>;
  from: number;
  to: number;
  end: number; // of the axis of steps
  width: number;
  name(id: string): string;
  knobLabel(name: string): string;
}

/** One chart: what it needs, what a reader should conclude from it, and its picture. */
export interface Chart {
  id: string;
  title(history: History): string;
  says(history: History): string;
  kinds: string[]; // record kinds that change it
  period?: number; // ms between two redraws at the least, where a redraw is dear
  options?: { label: string; choices: [value: string, label: string][] };
  each?: boolean; // a picture of one copy of the network, to be chosen where there are several
  asks?: string; // the measurement that it draws, which runs when it is asked for
  shown(history: History, data: Data): boolean;
  figure(view: View): Figure;
}

export function trace(view: View, name: string, colour: string, whole: Line, extra: Json = {}): Json {
  const line = view.past === null || extra.dash || extra.beyond ? whole : before(whole, view.past);
  const { width = 1.6, dash, beyond: _, ...rest } = extra;
  return {
    type: "scatter", mode: line.x.length === 1 ? "markers" : "lines", name, x: line.x, y: line.y,
    line: { width, dash, color: colour }, marker: { size: 5, color: colour }, connectgaps: false,
    visible: !view.hidden.has(name), hovertemplate: `%{y:.4~g}<extra>${escape(name)}</extra>`, ...rest,
  };
}

/** From the lowest to the highest of all copies, behind line `name`; nothing where there is one copy only. */
export function band(view: View, name: string, colour: string, series: Series, column: number): Json[] {
  if (!series.n) return [];
  const edge = (side: "lo" | "hi") => {
    const whole = series.edge(2 * column + (side === "lo" ? 0 : 1), side, MOST_POINTS / 2, view.from, view.to);
    return view.past === null ? whole : before(whole, view.past);
  };
  const lo = edge("lo"), hi = edge("hi");
  const once = lo.x.length === 1; // then there is no area, but a bar
  return [{
    type: "scatter", mode: "lines", name: "", x: [...lo.x, ...hi.x.reverse()], y: [...lo.y, ...hi.y.reverse()],
    fill: once ? "none" : "toself", fillcolor: translucent(colour), line: once ? { width: 5, color: translucent(colour) } : { width: 0 },
    hoverinfo: "skip", visible: !view.hidden.has(name),
  }];
}

function translucent(colour: string): string {
  const hex = /^#(..)(..)(..)$/.exec(colour);
  const parts = hex ? hex.slice(1).map((part) => parseInt(part, 16)) : colour.match(/[\d.]+/g)!.slice(0, 3);
  return `rgba(${parts.join(",")},.18)`;
}

/** `text`, and what lines and bands mean where a run has several copies of its network; `lines` are in the chart. */
export function ofCopies(history: History, text: string, lines = 1): string {
  const count = history.started?.copies?.count;
  if (!count) return text;
  if (lines > MOST_LINES) return `${text} Colours are the middle of ${count} copies.`;
  const few = lines > BANDED ? ` (drawn for ${BANDED} lines at most: hide others below)` : "";
  return `${text} Lines are the middle of ${count} copies, bands reach from lowest to highest${few}.`;
}

/** What of `line` had been measured by step `past`. */
function before({ x, y }: Line, past: number): Line {
  const end = x.findIndex((step) => step > past);
  return end < 0 ? { x, y } : { x: x.slice(0, end), y: y.slice(0, end) };
}

/** A logarithmic axis for `lines`: powers of ten, or over a short range whole numbers, never lone digits between powers. */
export function logAxis(lines: Json[]): Json {
  const values = lines.flatMap((l) => l.y as number[]).filter((v) => v > 0);
  const decades = values.length ? Math.log10(values.reduce((a, b) => Math.max(a, b)) / values.reduce((a, b) => Math.min(a, b))) : 3;
  const dtick = decades < 0.5 ? undefined : decades < 1.6 ? "D2" : Math.ceil(decades / 5);
  return { type: "log", nticks: 6, dtick, ...(typeof dtick === "number" ? { exponentformat: "power" } : { tickformat: "~g" }) };
}

/** Layout shared by all charts; `y` and `x` add to the axes. */
export function layout(view: View, x: Json = {}, y: Json = {}): Json {
  const t = view.theme;
  const axis = { gridcolor: t.grid, linecolor: t.grid, zeroline: false, automargin: true, ticklen: 3, tickcolor: t.grid, fixedrange: false };
  return {
    margin: { l: 44, r: 10, t: 8, b: 34, pad: 0 }, showlegend: false, hovermode: "closest", dragmode: "zoom",
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    font: { color: t.muted, family: t.font, size: 11 },
    hoverlabel: { bgcolor: t.background, bordercolor: t.grid, font: { color: t.text, size: 12, family: t.font } },
    xaxis: { ...axis, spikethickness: 1, spikecolor: t.guide, spikedash: "solid", ...x }, yaxis: { ...axis, ...y },
  };
}

/** Layout of a chart over the steps, with a line for every knob that was turned. */
export function stepLayout(view: View, y: Json = {}, x: Json = {}): Json {
  const started = Boolean(view.history.points.n || view.history.layers.n);
  const base = layout(view, { title: { text: "step", standoff: 4 }, tickformat: ",~r", range: started ? [0, Math.max(1, view.end)] : [0, 100], ...x }, y);
  const shown = view.history.markers.filter((m) => m.step >= view.from && m.step <= view.to);
  return { ...base, shapes: [...shown.map((m) => rule(view, m)), ...here(view)], annotations: labels(view, shown) };
}

function rule(view: View, marker: Marker): Json {
  const { x, line } = { x: marker.step, line: { color: view.theme.marker, width: 1, dash: "dot" } };
  return { type: "line", x0: x, x1: x, y0: 0, y1: 1, yref: "paper", line };
}

/** Where one is when looking back. */
function here({ past, theme }: View): Json[] {
  if (past === null) return [];
  return [{ type: "line", x0: past, x1: past, y0: 0, y1: 1, yref: "paper", line: { color: theme.guide, width: 1.5 } }];
}

/** The newest changes in words, upright, each only where the one after it leaves room. */
function labels(view: View, markers: Marker[]): Json[] {
  const perStep = view.width / Math.max(1, Math.min(view.to, view.end) - Math.max(view.from, 0));
  const out: Json[] = [];
  let next = Infinity;
  for (const m of [...markers].reverse()) {
    if ((next - m.step) * perStep < LABEL_PX || out.length === MARKER_LABELS) continue;
    next = m.step;
    const text = escape(`${view.knobLabel(m.name)} ${num(m.old)} → ${num(m.value)}`);
    out.push({
      x: m.step, y: 1, yref: "paper", text, textangle: -90, showarrow: false, xanchor: "right", yanchor: "top",
      font: { size: 10, color: view.theme.marker }, bgcolor: view.theme.background, opacity: 0.85, borderpad: 1,
    });
  }
  return out;
}

/** Free text made harmless where Plotly reads a little HTML. */
export const escape = (text: string): string => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
