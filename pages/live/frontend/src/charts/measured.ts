// What is measured only when it is asked for: see "More measurements" below the charts.

import { ends } from "../across";
import { num } from "../format";
import type { History } from "../history";
import type { Along, Measured } from "../measured";
import type { Line } from "../series";
import { depth } from "../theme";
import type { Json } from "../types";
import { band, layout, logAxis, MOST_POINTS, ofCopies, stepLayout, trace, type Chart, type Entry, type Figure, type View } from "./chart";
import { guide, ofNodes } from "./layers";
import { ended, mountains, ofCopy } from "./pictures";

/** A chart of one measurement. `about` says in the list what it is, `symbol` how the field writes it. */
export interface Measurement extends Chart {
  asks: string;
  about: string;
  symbol: string;
  inStep: boolean; // read off a training step, so that a paused run must make one
}

type Own = Pick<Measurement, "symbol" | "about" | "figure" | "options" | "each"> & {
  title: string;
  says: string | ((history: History) => string);
  lines?: (history: History) => number; // in the chart, of which each is the middle of several copies
};

const measurement = (asks: string, inStep: boolean, own: Own): Measurement => ({
  id: asks, asks, inStep, period: 400, kinds: [asks, "state"], shown: () => true, ...own, title: () => own.title,
  says: (history) => {
    const text = typeof own.says === "string" ? own.says : own.says(history);
    return own.lines ? ofCopies(history, text, own.lines(history)) : text;
  },
  figure: (view) => waiting(view, asks, inStep, own.figure(view)),
});

/** `figure`, or in words why there is nothing yet. */
function waiting(view: View, asks: string, inStep: boolean, figure: Figure): Figure {
  const { more, status } = view.history;
  if (more.pictures[asks] || more.series.get(asks)?.n) return figure;
  const note = !view.data.run ? "It is measured as soon as a run trains."
    : inStep && status.state === "paused" ? "It comes with the next step: press Step."
      : "Being measured …";
  return { ...figure, data: [], legend: [], note };
}

const NONE: Line = { x: [], y: [] };

function line(view: View, kind: Along, field: string): Line {
  const { more } = view.history;
  return more.series.get(kind)?.line(more.column(kind, field), MOST_POINTS, view.from, view.to) ?? NONE;
}

function nodes(view: View, kind: Along, field: string, ids: string[], log: boolean, y: Json = {}): Figure {
  const { more } = view.history, series = more.series.get(kind);
  return series ? ofNodes(view, series, more.column(kind, field), ids, log, y, more.bands.get(kind)) : { data: [], layout: stepLayout(view), legend: [] };
}

/** Behind line `name` of `field`: from the lowest to the highest copy. */
function behind(view: View, name: string, colour: string, kind: Along, field: string): Json[] {
  const { more } = view.history, bands = more.bands.get(kind);
  return bands ? band(view, name, colour, bands, more.column(kind, field)) : [];
}

/** A line of `field`, and a dashed one that it is to be held against. */
function against(view: View, name: string, kind: Along, field: string, other: string, limit: Line): Figure {
  const t = view.theme;
  const data = [...behind(view, name, t.train, kind, field), trace(view, name, t.train, line(view, kind, field), { width: 2 })];
  const legend: Entry[] = [{ name, colour: t.train }];
  if (limit.x.length) {
    data.push(trace(view, other, t.validation, limit, { dash: "dash", width: 1.4 }));
    legend.push({ name: other, colour: t.validation, mark: "dash" });
  }
  return { data, layout: { ...stepLayout(view, logAxis(data)), hovermode: "x unified" }, legend };
}

const unlimited = (more: Measured): boolean => {
  const series = more.series.get("sharpness");
  return Boolean(series?.n) && Number.isNaN(series!.latest(more.column("sharpness", "limit")));
};

const sharpness = measurement("sharpness", false, {
  title: "Sharpness of the loss, λ", symbol: "λ ≤ 2/η",
  about: "How strongly the loss bends in its steepest direction: the largest eigenvalue of its Hessian.",
  says: ({ more }) => unlimited(more)
    ? "How steep the valley is. This optimizer gives each weight a step of its own, so no one limit holds for λ."
    : "Beyond the dashed line 2/η, steps of this size overshoot. Networks often climb to it and hover there.",
  lines: () => 1,
  figure(view) {
    const other = "limit 2/η";
    const figure = against(view, "sharpness λ", "sharpness", "sharpness", other, line(view, "sharpness", "limit"));
    return { ...figure, data: [...behind(view, other, view.theme.validation, "sharpness", "limit"), ...figure.data] };
  },
});

/** Of all copies; where they differ in it there is no one line. */
const batchSize = (view: View): Line => {
  const size = view.history.knobs.batch_size, differs = view.history.started?.copies?.vary.batch_size;
  return size && !differs ? { x: [0, view.end], y: [size, size] } : NONE;
};

const noise = measurement("noise", false, {
  title: "Noise in the gradient, B", symbol: "tr Σ / ‖G‖²",
  about: "How many examples it takes until the gradient says more than the chance of the draw does (noise scale).",
  says: "Batches far smaller than B are mostly noise; far larger ones work for nothing. No point: all noise.",
  lines: () => 1,
  figure(view) {
    const figure = against(view, "noise scale B", "noise", "scale", "batch size", batchSize(view));
    return line(view, "noise", "scale").x.length ? figure : { ...figure, note: "All noise so far: no direction stands out from the chance of the draw." };
  },
});

const cosine = measurement("cosine", true, {
  title: "Do successive steps agree?", symbol: "cos(gₜ, gₜ₋₁)",
  about: "The angle between the gradient and that of the step before, layer by layer.",
  says: "Near 1: steps go on in one direction. Below 0: each undoes the last; try a smaller learning rate.",
  lines: (history) => history.layerIds.length,
  figure(view) {
    const figure = nodes(view, "cosine", "layers", view.history.layerIds, false, { range: [-1.05, 1.05], nticks: 5 });
    if (figure.data[0]?.type === "heatmap") return figure;
    const name = "whole network", whole = trace(view, name, view.theme.text, line(view, "cosine", "all"), { width: 2.2 });
    const all = behind(view, name, view.theme.text, "cosine", "all");
    return { ...figure, data: [...all, ...figure.data, whole], legend: [...figure.legend, { name, colour: view.theme.text }] };
  },
});

const penalty = measurement("penalty", true, {
  title: "What pulls at the weights", symbol: "‖∂L/∂w‖, ‖∂R/∂w‖",
  about: "The gradient's two parts, from the data and from the penalties, and weight decay beside them.",
  says: "Where the penalty pulls as hard as the data, the weights stop growing. Nothing is drawn for a strength of 0.",
  lines: (history) => history.layerIds.length,
  options: { label: "Part", choices: [["data", "Data"], ["penalty", "Penalty"], ["decay", "Decay"]] },
  figure(view) {
    const figure = nodes(view, "penalty", view.option, view.history.layerIds, true);
    const some = figure.data.some((d) => d.type === "heatmap" || (d.y as number[]).some((v) => v > 0));
    return some ? figure : { ...figure, note: view.option === "decay" ? "There is no weight decay." : "There is no penalty on the weights." };
  },
});

const rank = measurement("rank", true, {
  title: "Directions that the outputs fill", symbol: "exp H(σ/Σσ)",
  about: "The effective rank of each layer's outputs: how many different things its units say together.",
  says: "A fall towards 1 means that the units of a layer have come to say the same.",
  lines: (history) => history.activationIds.length,
  figure: (view) => nodes(view, "rank", "rank", view.history.activationIds, false, { rangemode: "tozero" }),
});

const duplicates = measurement("duplicates", true, {
  title: "Units that copy another", symbol: "|corr| ≥ 0.99",
  about: "The share of a layer's units that say the same as an earlier one, for the examples of a batch.",
  says: "Such units are of no use: a smaller layer would do as well. Of two outputs for two classes one always is.",
  lines: (history) => history.activationIds.length,
  figure: (view) => nodes(view, "duplicates", "share", view.history.activationIds, false, { tickformat: ".0%", range: [-0.02, 1.02] }),
});

const gain = measurement("gain", false, {
  title: "How much each layer stretches", symbol: "σₘₐₓ(∂y/∂x)",
  about: "By how much a layer lengthens the change in its input that it lengthens most (its Jacobian).",
  says: "Around 1, signals and gradients pass through many layers. Far below they vanish, far above they explode.",
  lines: (history) => history.activationIds.length,
  figure: (view) => guide(view, nodes(view, "gain", "gain", view.history.activationIds, true), 1, "as long as before"),
});

const spread = (kind: string, own: Omit<Own, "figure">): Measurement => measurement(kind, true, {
  ...own, each: true,
  figure(view) {
    const { step: _, ...newest } = view.history.more.pictures[kind] ?? {}, all = ofCopy(view, newest);
    const ids = view.history.layerIds.filter((id) => all[id]);
    return ended(Object.keys(newest).length > 0, mountains(view, all, ids, true));
  },
});

const gradients = spread("grad_hist", {
  title: "Gradients now, layer by layer", symbol: "∂L/∂w",
  about: "How the gradients of the weights of each layer are spread, in the newest step.",
  says: "Each row from the layer's largest value one way to the same the other way. Lone far values: clip them.",
});

const updates = spread("update_hist", {
  title: "Steps now, layer by layer", symbol: "Δw",
  about: "How far the newest step moved the weights of each layer.",
  says: "Each row from the layer's largest move one way to the other. Two humps: all weights move equally far.",
});

/** How far the copies lie apart in example `i`; nothing where there is one copy only. */
function span(lists: ((number | null)[] | null)[] | undefined, i: number): string {
  const [low, high] = ends(lists?.map((list) => list?.[i]));
  return lists ? ` (${num(low)} to ${num(high)})` : "";
}

const examples = measurement("examples", false, {
  title: "Single examples: loss and pull", symbol: "Lᵢ, ‖∂Lᵢ/∂w‖",
  about: "Loss and gradient of 64 training examples, each by itself.",
  says: (history) => {
    const count = history.started?.copies?.count, text = "Top right: those that the network finds hardest, or whose label is wrong.";
    return count ? `A point is an example, at the middle of ${count} copies. ${text}` : `A point is an example. ${text}`;
  },
  figure(view) {
    const found = view.history.more.pictures.examples ?? { rows: [], loss: [], grad_norm: [] };
    const data = [{
      type: "scatter", mode: "markers", name: "examples", x: found.loss, y: found.grad_norm,
      customdata: found.rows.map((row: number, i: number) => [row, span(found.copies?.loss, i), span(found.copies?.grad_norm, i)]),
      marker: { size: 7, color: depth(1, 3, view.theme.dark), opacity: 0.75, line: { width: 0.7, color: view.theme.background } },
      hovertemplate: "training example %{customdata[0]}<br>loss %{x:.3~g}%{customdata[1]}<br>gradient %{y:.3~g}%{customdata[2]}<extra></extra>",
    }];
    const axis = (values: number[], text: string) => ({ ...logAxis([{ y: values }]), title: { text, standoff: 4 } });
    const empty = found.rows.length ? {} : { range: [-3, 1] };
    return { data, layout: layout(view, { ...axis(found.loss, "loss"), ...empty }, { ...axis(found.grad_norm, "gradient norm"), ...empty }), legend: [] };
  },
});

/** In the order of the list. */
export const MEASUREMENTS: Measurement[] = [sharpness, noise, cosine, penalty, gain, rank, duplicates, gradients, updates, examples];
