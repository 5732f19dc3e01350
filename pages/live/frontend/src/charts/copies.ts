// Several copies of a network in one run: how each of them fares, by what is special about it.

import type { Json } from "../types";
import { escape, layout, type Chart, type Figure } from "./chart";

const WIDE = 20; // a factor between lowest and highest from which on equal steps are factors
const BY_NUMBER = ["seed", "order"];

export const copies: Chart = {
  id: "copies",
  title: () => "Each copy now",
  says: (history) => `A dot for each of the ${history.started?.copies?.count ?? 0} copies, all trained at once; the middle one colours the canvas. ${history.started?.copies?.reason ?? ""}`,
  kinds: ["point", "started"],
  period: 400,
  shown: (history) => Boolean(history.started?.copies),
  figure(view): Figure {
    const about = view.history.started!.copies, t = view.theme;
    const [name, values] = Object.entries<number[]>(about.vary)[0]!;
    const plain = BY_NUMBER.includes(name);
    const x = plain ? values.map((_, k) => k + 1) : values;
    const wide = !plain && Math.min(...x) > 0 && Math.max(...x) / Math.min(...x) > WIDE;
    const dots = (title: string, key: string, colour: string): Json => ({
      type: "scatter", mode: plain ? "markers" : "lines+markers", name: title, x, y: view.history.each[key] ?? [],
      text: about.names.map(escape), hovertemplate: `%{text}: %{y:.4~g}<extra>${title}</extra>`,
      marker: { size: 8, color: colour }, line: { width: 1.2, color: colour }, visible: !view.hidden.has(title),
    });
    const data = [dots("training", "train_loss", t.train), dots("validation", "val_loss", t.validation)];
    const title = { text: plain ? "copy" : view.knobLabel(name), standoff: 4 };
    const axis = wide ? { type: "log", title, nticks: 6 } : plain ? { title, tickvals: x, range: [0.5, x.length + 0.5] } : { title, nticks: 6 };
    return {
      data, layout: layout(view, axis, { title: { text: "loss", standoff: 4 }, rangemode: "tozero", nticks: 6 }),
      legend: [{ name: "training", colour: t.train, mark: "dot" }, { name: "validation", colour: t.validation, mark: "dot" }],
    };
  },
};
