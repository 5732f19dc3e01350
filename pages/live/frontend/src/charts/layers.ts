// What happens inside, layer by layer: lines while they can be told apart, a heat map beyond.

import type { History, LayerName } from "../history";
import { short } from "../format";
import { depth, SCALE } from "../theme";
import type { Series } from "../series";
import type { Json } from "../types";
import { band, BANDED, escape, logAxis, MOST_LINES, MOST_POINTS, ofCopies, stepLayout, trace, type Chart, type Figure, type View } from "./chart";

const HEAT_PARTS = 120;
const ROOM_PX = 26;

interface Quantity {
  name: LayerName;
  ids: string[];
  log: boolean;
}

/** `quantity` of every layer over the steps; layers where it does not apply are left out. */
function perLayer(view: View, q: Quantity, y: Json = {}): Figure {
  const { layers, layerBands } = view.history, [from] = view.history.columns(q.name);
  return ofNodes(view, layers, from, q.ids, q.log, y, layerBands);
}

/** Columns `from` on of `series`, one for each of `ids`; those that were never measured are left out. */
export function ofNodes(view: View, series: Series, from: number, ids: string[], log: boolean, y: Json = {}, bands?: Series): Figure {
  const rows = ids.map((id, i) => ({ name: view.name(id), column: from + i }))
    .filter((r) => r.column < series.columns && !Number.isNaN(series.latest(r.column)));
  return rows.length > MOST_LINES ? heat(view, series, rows, log) : lines(view, series, rows, log, y, bands);
}

type Row = { name: string; column: number };

function lines(view: View, series: Series, rows: Row[], log: boolean, y: Json, banded?: Series): Figure {
  const most = Math.round(MOST_POINTS / Math.max(1, rows.length / 6));
  const legend = rows.map((r, i) => ({ name: r.name, colour: depth(i, rows.length, view.theme.dark) }));
  const data = rows.map((r, i) =>
    trace(view, r.name, legend[i]!.colour, series.line(r.column, Math.min(MOST_POINTS, most), view.from, view.to)));
  const few = rows.filter((r) => !view.hidden.has(r.name)).length <= BANDED;
  const bands = banded && few ? rows.flatMap((r, i) => band(view, r.name, legend[i]!.colour, banded, r.column)) : [];
  const axis = log ? logAxis(data) : { nticks: 6 };
  return { data: [...bands, ...data], layout: stepLayout(view, { ...axis, ...(rows.length ? {} : { range: log ? [-4, 1] : [0, 1] }), ...y }), legend };
}

/** First layer at the bottom. Colour is log10 where the quantity spans powers of ten. */
function heat(view: View, series: Series, rows: Row[], log: boolean): Figure {
  const from = rows[0]!.column;
  const grid = series.grid(from, rows.at(-1)!.column + 1, HEAT_PARTS, view.from, view.to);
  const values = rows.map((r) => grid.z[r.column - from]!);
  const z = log ? values.map((row) => row.map((v) => (v && v > 0 ? Math.log10(v) : null))) : values;
  const trace_ = {
    type: "heatmap", x: grid.x, y: rows.map((_, i) => i), z, colorscale: SCALE, hoverongaps: false,
    hovertemplate: `%{y}, step %{x}: ${log ? "10<sup>%{z:.1f}</sup>" : "%{z:.3~g}"}<extra></extra>`,
    colorbar: { thickness: 10, outlinewidth: 0, tickprefix: log ? "10<sup>" : "", ticksuffix: log ? "</sup>" : "", nticks: 5 },
  };
  const every = Math.ceil(rows.length / Math.floor((260 - 40) / ROOM_PX));
  const ticks = rows.map((_, i) => i).filter((i) => i % every === 0);
  const y = { tickvals: ticks, ticktext: ticks.map((i) => escape(short(rows[i]!.name))) };
  return { data: [trace_], layout: stepLayout(view, y), legend: [] };
}

/** Adds a dashed guide at `value` across the chart. */
export function guide(view: View, figure: Figure, value: number, name: string): Figure {
  const x = figure.data[0]?.x as number[] | undefined;
  if (!x || x.length < 2 || figure.data[0]!.type === "heatmap") return figure;
  const line = trace(view, name, view.theme.guide, { x: [0, view.end], y: [value, value] }, { dash: "dash", width: 1 });
  return { ...figure, data: [...figure.data, line], legend: [...figure.legend, { name, colour: view.theme.guide, mark: "dash" }] };
}

const hasLayers = (history: History): boolean => !history.started || history.layerIds.length > 0;

export const gradients: Chart = {
  id: "gradients",
  title: () => "Gradient size per layer",
  says: (history) => ofCopies(history,
    "Healthy layers stay within a factor of about 100 of each other. A layer that sinks far below has stopped learning.", history.layerIds.length),
  kinds: ["layers"],
  shown: hasLayers,
  figure: (view) => perLayer(view, { name: "grad_norm", ids: view.history.layerIds, log: true }),
};

export const updates: Chart = {
  id: "updates",
  title: () => "Size of each step, relative to the weights",
  says: (history) => ofCopies(history,
    "About 0.001 is a good pace. Far above, the learning rate is too high; far below, too low.", history.layerIds.length),
  kinds: ["layers"],
  shown: hasLayers,
  figure: (view) =>
    guide(view, perLayer(view, { name: "update_ratio", ids: view.history.layerIds, log: true }), 1e-3, "good pace"),
};

const BANDS = 3; // more bands than this hide each other

/** Mean lines, and a band of one standard deviation around them while there are few; of several copies theirs. */
function meanAndBand(view: View): Figure {
  const ids = view.history.activationIds;
  const figure = perLayer(view, { name: "mean", ids, log: false });
  if (ids.length > BANDS || view.history.layerBands.n || figure.data[0]?.type === "heatmap") return figure;
  const [m] = view.history.columns("mean"), [s] = view.history.columns("std");
  const bands = ids.map((id, i) => {
    const mean = view.history.layers.line(m + i, MOST_POINTS / 2, view.from, view.to);
    const std = view.history.layers.line(s + i, 2, view.from, view.to).y.at(-1) ?? 0;
    const at = (sign: number) => mean.y.map((y) => y + sign * std);
    return {
      type: "scatter", mode: "lines", x: [...mean.x, ...[...mean.x].reverse()], y: [...at(1), ...at(-1).reverse()],
      fill: "toself", line: { width: 0 }, fillcolor: depth(i, ids.length, view.theme.dark).replace("rgb", "rgba").replace(")", ",.15)"),
      hoverinfo: "skip", visible: !view.hidden.has(view.name(id)), name: "",
    };
  });
  return { ...figure, data: [...bands, ...figure.data] };
}

const STATISTICS: Record<string, (view: View) => Figure> = {
  mean: meanAndBand,
  std: (view) => perLayer(view, { name: "std", ids: view.history.activationIds, log: true }),
  dead: (view) => shareOf(view, "dead", "This network has no ReLU layers that could die."),
  saturated: (view) => shareOf(view, "saturated", "This network has no sigmoid or tanh layers that could saturate."),
};

function shareOf(view: View, name: LayerName, note: string): Figure {
  const figure = perLayer(view, { name, ids: view.history.activationIds, log: false },
    { tickformat: ".0%", range: [-0.02, 1.02] });
  return view.history.layers.n && !figure.data.length ? { ...figure, note } : figure;
}

export const activations: Chart = {
  id: "activations",
  period: 400,
  title: () => "What the layers put out",
  says: (history) => ofCopies(history,
    "Means near 0 and a steady spread are healthy. Dead or saturated units pass no gradient on.", history.activationIds.length),
  kinds: ["layers"],
  options: {
    label: "Statistic",
    choices: [["mean", "Mean"], ["std", "Spread"], ["dead", "Dead"], ["saturated", "Saturated"]],
  },
  shown: (history) => !history.started || history.activationIds.length > 0,
  figure: (view) => STATISTICS[view.option]!(view),
};
