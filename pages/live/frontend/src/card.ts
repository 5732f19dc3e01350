import { el, fresh, say } from "./dom";
import type { Chart, Entry, View } from "./charts/chart";
import type { Json } from "./types";

const CONFIG = { displayModeBar: false, responsive: false, doubleClick: "reset" };

/** One chart on the page. Its Plotly node lives as long as the panel, so zoom, hover and hidden lines do too. */
export class Card {
  readonly root: HTMLElement;
  readonly plot: HTMLElement;
  dirty = true;
  visible = false;
  held = false; // under a drag: a redraw would break it
  next = 0; // no redraw before this time (ms)
  cost = 0; // smoothed time of one redraw (ms)
  option: string;
  readonly hidden = new Set<string>();
  private readonly title = el("h4", { class: "ll-title" });
  private readonly says = el("p", { class: "ll-says" });
  private readonly note = el("p", { class: "ll-note", hidden: true });
  private readonly legend = el("div", { class: "ll-legend", role: "group", "aria-label": "Lines shown" });
  private legendKey = "";
  private ready = false;
  private stamped = { step: 0, time: 0 };

  constructor(readonly chart: Chart, private readonly changed: () => void) {
    this.option = chart.options?.choices[0]![0] ?? "";
    const id = fresh("title");
    this.title.id = id;
    this.plot = el("div", { class: "ll-plot", pointerdown: () => (this.held = true) });
    const head = el("div", { class: "ll-head" }, this.title, ...(chart.options ? [this.switch()] : []));
    this.root = el("section", { class: "ll-card", "aria-labelledby": id, "data-chart": chart.id },
      head, this.says, el("div", { class: "ll-frame" }, this.plot, this.note), this.legend);
  }

  /** Steps on screen: the whole run, or what the user zoomed to. */
  range(): [from: number, to: number] {
    const axis = (this.plot as any)._fullLayout?.xaxis;
    return axis && !axis.autorange && this.ready && !axis._empty ? [axis.range[0], axis.range[1]] : [-Infinity, Infinity];
  }

  /** Draws `view` and marks on the element which step is now on screen, for tests and measurements. */
  draw(plotly: any, view: View): void {
    const began = performance.now();
    const figure = this.chart.figure(view);
    say(this.title, this.chart.title(view.history));
    say(this.says, this.chart.says(view.history));
    this.note.hidden = !figure.note;
    say(this.note, figure.note ?? "");
    this.drawLegend(figure.legend);
    this.plotOnce(plotly, figure.data, figure.layout);
    const cost = performance.now() - began;
    this.cost = this.cost ? 0.8 * this.cost + 0.2 * cost : cost;
    this.stamped = { step: view.history.step, time: view.history.time };
    setTimeout(() => this.stamp(), 0); // after the browser has painted
  }

  resize(plotly: any): void {
    if (this.ready && this.visible) plotly.Plots.resize(this.plot);
  }

  destroy(plotly: any): void {
    if (this.ready) plotly.purge(this.plot);
  }

  private plotOnce(plotly: any, data: Json[], layout: Json): void {
    plotly.react(this.plot, data, layout, CONFIG);
    if (this.ready) return;
    this.ready = true;
    (this.plot as any).on("plotly_relayout", () => this.touch()); // zoomed: draw that part in full detail
  }

  private stamp(): void {
    const { step, time } = this.stamped;
    Object.assign(this.root.dataset, { step, time, drawnAt: (performance.timeOrigin + performance.now()) / 1000 });
  }

  private touch(): void {
    this.dirty = true;
    this.next = 0;
    this.changed();
  }

  private switch(): HTMLElement {
    const { label, choices } = this.chart.options!;
    const buttons = choices.map(([value, text]) => {
      const choose = () => {
        this.option = value;
        buttons.forEach((b) => b.setAttribute("aria-pressed", String(b === button)));
        this.touch();
      };
      const button = el("button", { type: "button", "aria-pressed": String(value === this.option), click: choose }, text);
      return button;
    });
    return el("div", { class: "ll-switch", role: "group", "aria-label": label }, ...buttons);
  }

  private drawLegend(entries: Entry[]): void {
    const key = JSON.stringify(entries);
    if (key === this.legendKey) return;
    this.legendKey = key;
    this.legend.replaceChildren(...entries.map((entry) => this.entry(entry)));
  }

  private entry({ name, colour, dash }: Entry): HTMLElement {
    const flip = () => {
      if (!this.hidden.delete(name)) this.hidden.add(name);
      button.setAttribute("aria-pressed", String(!this.hidden.has(name)));
      this.touch();
    };
    const swatch = el("span", { class: dash ? "ll-swatch ll-dash" : "ll-swatch", style: `--c:${colour}` });
    const button = el("button", {
      type: "button", class: "ll-entry", "aria-pressed": String(!this.hidden.has(name)), title: `Show or hide ${name}`, click: flip,
    }, swatch, name);
    return button;
  }
}
