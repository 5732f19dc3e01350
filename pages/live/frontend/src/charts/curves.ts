// Loss and metric: is the network learning, and does it hold on data it never saw?

import { POINT, type History, type PointName } from "../history";
import type { Line } from "../series";
import type { Json } from "../types";
import { band, logAxis, ofCopies, MOST_POINTS, stepLayout, trace, type Chart, type Entry, type Figure, type View } from "./chart";

const line = (view: View, name: PointName): Line =>
  view.history.points.line(POINT.indexOf(name), MOST_POINTS, view.from, view.to);

const BEFORE = "run before";

/** Of the run that this one goes on from, thin and grey, as long as this one goes; first, so that it lies below. */
function ghost(view: View, name: PointName): { data: Json[]; legend: Entry[] } {
  if (!view.ghost?.points.n) return { data: [], legend: [] };
  const past = view.ghost.points.line(POINT.indexOf(name), MOST_POINTS, view.from, view.end);
  const colour = view.theme.guide;
  return { data: [trace(view, BEFORE, colour, past, { width: 1, beyond: true })], legend: [{ name: BEFORE, colour }] };
}

const spread = (view: View, name: string, point: PointName, colour: string): Json[] =>
  band(view, name, colour, view.history.pointBands, POINT.indexOf(point));

export const loss: Chart = {
  id: "loss",
  title: () => "Loss",
  says: (history) =>
    ofCopies(history, "Both lines should fall. When validation turns up while training falls, the network is learning by heart."),
  kinds: ["point"],
  options: { label: "Loss axis", choices: [["log", "Log"], ["linear", "Linear"]] },
  shown: () => true,
  figure(view): Figure {
    const t = view.theme, before = ghost(view, "val_loss");
    const data = [
      ...before.data, ...spread(view, "training", "train_loss", t.train), ...spread(view, "validation", "val_loss", t.validation),
      trace(view, "one batch", t.batch, line(view, "batch_loss"), { width: 1 }),
      trace(view, "training", t.train, line(view, "train_loss")),
      trace(view, "validation", t.validation, line(view, "val_loss"), { width: 2 }),
    ];
    const y = view.option === "log" ? logAxis(data) : { type: "linear", rangemode: "tozero", nticks: 6 };
    const empty = view.history.points.n ? {} : { range: view.option === "log" ? [-2, 0.3] : [0, 2] };
    return {
      data,
      layout: { ...stepLayout(view, { ...y, ...empty }), hovermode: "x unified" },
      legend: [
        { name: "training", colour: t.train }, { name: "validation", colour: t.validation },
        { name: "one batch", colour: t.batch }, ...before.legend,
      ],
    };
  },
};

const LEAST = 0.06; // a span of less than this would only magnify noise, and repeat its tick labels

/** The range of an axis whose values lie within less than LEAST, or that has none yet; nothing where they spread by themselves. */
function readable(lines: Json[]): Json {
  const values = lines.flatMap((l) => l.y as (number | null)[]).filter((v): v is number => typeof v === "number");
  if (!values.length) return { range: [0, 1] };
  const low = values.reduce((a, b) => Math.min(a, b)), high = values.reduce((a, b) => Math.max(a, b));
  if (high - low >= LEAST) return {};
  const middle = (low + high) / 2;
  return { range: [middle - LEAST / 2, middle + LEAST / 2] };
}

const TITLES: Record<string, string> = {
  accuracy: "Accuracy", iou: "Mean intersection over union", r2: "R²: share of the variance explained",
};
const isR2 = (history: History): boolean => history.started?.metric === "r2";

export const metric: Chart = {
  id: "metric",
  title: (history) => TITLES[history.started?.metric ?? "accuracy"] ?? "",
  says: (history) => {
    const { metric, baseline, guess } = history.started ?? {};
    const meaning =
      metric === "iou" ? "Of the pixels that are a class, or are taken for it, the share that are both; mean over the classes." :
      isR2(history) ? "1 is perfect; 0 is no better than always giving the mean." : "Higher is better.";
    return typeof baseline === "number" ? `${meaning} The dashed line is reached without a network: by ${guess ?? "guessing"}.` : meaning;
  },
  kinds: ["point"],
  shown: (history) => history.started?.metric !== null,
  figure(view): Figure {
    const t = view.theme, base = view.history.started?.baseline;
    const train = line(view, "train_metric"), val = line(view, "val_metric");
    const before = ghost(view, "val_metric");
    const bands = [...spread(view, "training", "train_metric", t.train), ...spread(view, "validation", "val_metric", t.validation)];
    const data = [...before.data, ...bands, trace(view, "training", t.train, train), trace(view, "validation", t.validation, val, { width: 2 })];
    const legend: Entry[] = [{ name: "training", colour: t.train }, { name: "validation", colour: t.validation }, ...before.legend];
    if (typeof base === "number" && train.x.length > 1) {
      const ends = { x: [0, view.end], y: [base, base] };
      data.push(trace(view, "no network", t.guide, ends, { dash: "dash", width: 1 }));
      legend.push({ name: "no network", colour: t.guide, mark: "dash" });
    }
    const y = isR2(view.history) ? { tickformat: ".2~f" } : { tickformat: ".0%" };
    return { data, layout: { ...stepLayout(view, { nticks: 6, ...y, ...readable(data) }), hovermode: "x unified" }, legend };
  },
};
