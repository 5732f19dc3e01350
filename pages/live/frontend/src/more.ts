import { MEASUREMENTS } from "./charts/measured";
import { el } from "./dom";
import { num, percent } from "./format";
import type { History } from "./history";
import type { Measured } from "./measured";

/** What the names in a "costs" record mean, for those that are no measurement to choose. */
const WORDS: Record<string, string> = {
  point: "Losses of the batches",
  evaluation: "Losses and metrics on fixed examples",
  interruption: "Showing what is inside of a step",
  step: "Copying weights and outputs",
  recording: "Writing it down",
  boundary: "Decision boundary",
  hist: "Activations now, layer by layer",
  grad_norm: "Gradient size per layer",
  weight_norm: "Size of the weights",
  update_ratio: "Size of each step",
  mean: "Mean of the outputs",
  std: "Spread of the outputs",
  dead: "Dead units",
  saturated: "Saturated units",
};
const TITLES = new Map(MEASUREMENTS.map((m) => [m.asks, m.title({} as History)]));
const LEAST = 5e-4; // of the CPU time: less is not listed

/** Below the charts: which further measurements to draw, and what all the watching costs. */
export class More {
  readonly root: HTMLElement;
  readonly chosen = new Set<string>();
  private readonly boxes = new Map<string, HTMLInputElement>();
  private readonly rows = el("tbody");
  private readonly costs: HTMLElement;
  private readonly sum = el("p", { class: "ll-says" });
  private known = "";
  private told: unknown = null;

  constructor(private readonly ask: (name: string, on: boolean) => void) {
    const list = el("ul", { class: "ll-measures" }, ...MEASUREMENTS.map((m) => this.item(m.asks, m.title({} as History), m.symbol, m.about)));
    const head = el("tr", {}, ...["What", "Each", "Times", "Share"].map((text) => el("th", { scope: "col" }, text)));
    this.costs = fold("What watching costs", this.sum, el("table", { class: "ll-costs" }, el("thead", {}, head), this.rows));
    this.root = el("div", { class: "ll-more" }, fold("More measurements", list), this.costs);
  }

  /** A run that is measured already, as after a reload of the page, shows what it is asked for. */
  learn(measured: Measured): void {
    const key = measured.asked.join(" ");
    if (key === this.known) return;
    this.known = key;
    for (const name of measured.asked) this.mark(name, true);
  }

  show(history: History): void {
    const { costs } = history.more;
    this.costs.hidden = !costs;
    if (!costs || costs === this.told) return;
    this.told = costs;
    const entries = Object.entries<[number, number]>(costs.spent).sort((a, b) => b[1][0] - a[1][0]);
    const inside = entries.filter(([name]) => name !== "evaluation").reduce((sum, [, [seconds]]) => sum + seconds, 0);
    const all = history.started?.copies ? "of all copies together " : "";
    this.sum.textContent = `Looking inside ${all}takes ${percent(inside / costs.used)} of this run's time so far, waiting included. ` +
      "What is always watched keeps to 2 % and comes less often where it is dear; so do the measurements chosen above, after their first result.";
    this.rows.replaceChildren(...entries.filter(([, [seconds]]) => seconds / costs.used > LEAST).map(([name, [seconds, times]]) =>
      el("tr", {}, el("th", { scope: "row" }, WORDS[name] ?? TITLES.get(name) ?? name),
        el("td", {}, `${num((1000 * seconds) / Math.max(1, times))} ms`), el("td", {}, times.toLocaleString("en-US")),
        el("td", {}, percent(seconds / costs.used)))));
  }

  private item(name: string, title: string, symbol: string, about: string): HTMLElement {
    const change = () => {
      this.mark(name, box.checked);
      this.ask(name, box.checked);
    };
    const box = el("input", { type: "checkbox", value: name, change });
    this.boxes.set(name, box);
    const words = el("span", {}, el("strong", {}, title), " ", el("span", { class: "ll-symbol" }, symbol), el("span", { class: "ll-about" }, about));
    return el("li", {}, el("label", {}, box, words));
  }

  private mark(name: string, on: boolean): void {
    const box = this.boxes.get(name);
    if (!box) return;
    box.checked = on;
    this.chosen[on ? "add" : "delete"](name);
  }
}

const fold = (title: string, ...content: Node[]): HTMLElement =>
  el("details", { class: "ll-fold" }, el("summary", {}, title), ...content);
