// Every output by itself, before its weight: which of them is learnt, and which is not?

import { PER_OUTPUT, type History, type OutputName } from "../history";
import { depth } from "../theme";
import { band, BANDED, logAxis, MOST_POINTS, ofCopies, stepLayout, trace, type Chart, type Figure, type View } from "./chart";

const METRICS: Record<string, string> = { r2: "R²", iou: "mean IoU" };
/** A metric as a person calls it. */
export const metricName = (metric: string | null | undefined): string => METRICS[metric ?? ""] ?? metric ?? "";

function line(view: View, output: number, name: OutputName) {
  return view.history.outputs.line(PER_OUTPUT.length * output + PER_OUTPUT.indexOf(name), MOST_POINTS, view.from, view.to);
}

/** From the lowest to the highest copy of each output, while they are few. */
function bands(view: View, each: { i: number }[], legend: { name: string; colour: string }[], name: OutputName) {
  if (legend.filter((entry) => !view.hidden.has(entry.name)).length > BANDED) return [];
  return each.flatMap(({ i }, k) =>
    band(view, legend[k]!.name, legend[k]!.colour, view.history.outputBands, PER_OUTPUT.length * i + PER_OUTPUT.indexOf(name)));
}

function losses(view: View): Figure {
  const list = view.history.outputList;
  const legend = list.map((o, i) => ({ name: `${view.name(o.id)}: ${o.loss}`, colour: depth(i, list.length, view.theme.dark) }));
  const data = list.flatMap((_, i) => [
    trace(view, legend[i]!.name, legend[i]!.colour, line(view, i, "train_loss"), { width: 1, line: { width: 1, dash: "dot", color: legend[i]!.colour } }),
    trace(view, legend[i]!.name, legend[i]!.colour, line(view, i, "val_loss"), { width: 2 }),
  ]);
  const behind = bands(view, list.map((_, i) => ({ i })), legend, "val_loss");
  return { data: [...behind, ...data], layout: { ...stepLayout(view, logAxis(data)), hovermode: "x unified" }, legend };
}

function metrics(view: View): Figure {
  const list = view.history.outputList;
  const there = list.map((o, i) => ({ ...o, i })).filter((o) => o.metric);
  const legend = there.map((o) => ({ name: `${view.name(o.id)}: ${metricName(o.metric)}`, colour: depth(o.i, list.length, view.theme.dark) }));
  const data = there.map((o, k) => trace(view, legend[k]!.name, legend[k]!.colour, line(view, o.i, "val_metric"), { width: 2 }));
  const behind = bands(view, there, legend, "val_metric");
  return { data: [...behind, ...data], layout: { ...stepLayout(view, { nticks: 6, tickformat: ".2~f" }), hovermode: "x unified" }, legend };
}

export const outputs: Chart = {
  id: "outputs",
  title: () => "Each output by itself",
  says: (history) => ofCopies(history,
    "Before its weight. Solid lines are validation, dotted ones training: an output that does not move may need more weight.", history.outputList.length),
  kinds: ["point"],
  options: { label: "What of each output", choices: [["loss", "Loss"], ["metric", "Metric"]] },
  shown: (history: History) => history.outputList.length > 1,
  figure: (view) => (view.option === "metric" ? metrics(view) : losses(view)),
};
