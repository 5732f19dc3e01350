import { el, fresh, say } from "./dom";
import { frame, move } from "./quick";
import type { Chart, Entry, View } from "./charts/chart";
import type { History } from "./history";
import type { Json } from "./types";

const CONFIG = { displayModeBar: false, responsive: false, doubleClick: false };
// Plotly redraws everything (ticks, hover data) every second, and 4 times a second where the axes are outgrown;
// on a slow machine, as often as takes these shares of the time.
const WHOLE = { ms: 1000, share: 0.05 };
const OUTGROWN = { ms: 250, share: 0.15 };
const AHEAD_S = 2; // seconds of training that the axis leaves room for
const AHEAD = 0.05; // and share of its length

type Range = [number, number];

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
  private readonly copies = el("select", { class: "ll-copy", "aria-label": "Copy shown", hidden: true, change: () => this.pick(Number(this.copies.value)) });
  private readonly legend = el("div", { class: "ll-legend", role: "group", "aria-label": "Lines shown" });
  private legendKey = "";
  private offered = "";
  private ready = false;
  private zoom: { x?: Range; y?: Range } = {};
  private end = 0; // of the axis of steps
  private frame = "";
  private whole = { at: -Infinity, cost: 0 }; // last redraw by Plotly (ms)
  private stamped = { step: 0, time: 0 };

  /** `pick` has all pictures show another copy of the network. */
  constructor(readonly chart: Chart, private readonly changed: () => void, private readonly pick: (copy: number) => void) {
    this.option = chart.options?.choices[0]![0] ?? "";
    const id = fresh("title");
    this.title.id = id;
    this.plot = el("div", { class: "ll-plot", pointerdown: () => (this.held = true) });
    const head = el("div", { class: "ll-head" }, this.title, ...(chart.options ? [this.switch()] : []), ...(chart.each ? [this.copies] : []));
    this.root = el("section", { class: "ll-card", "aria-labelledby": id, "data-chart": chart.id },
      head, this.says, el("div", { class: "ll-frame" }, this.plot, this.note), this.legend);
  }

  /** Steps on screen: the whole run, or what the user zoomed to. */
  range(): [from: number, to: number] {
    return this.zoom.x ?? [-Infinity, Infinity];
  }

  /** Where the axis of steps ends: with room to grow while the run goes on, so that it need not be redrawn for each step. */
  until(step: number, perSecond: number, running: boolean): number {
    if (!running) return (this.end = step);
    if (step > this.end || this.end > 3 * step + AHEAD_S * perSecond * 2) this.end = step + Math.max(AHEAD * step, AHEAD_S * perSecond);
    return this.end;
  }

  /** Forgets the zoom: another run has other steps. */
  reset(): void {
    this.zoom = {};
    this.end = 0;
    this.touch();
  }

  /** What it is called and what it says: also while it is off the screen, and not drawn, for those who read by ear. */
  tell(history: History): void {
    say(this.title, this.chart.title(history));
    say(this.says, this.chart.says(history));
  }

  /** Draws `view` and marks on the element which step is now on screen, for tests and measurements. */
  draw(plotly: any, view: View): void {
    const began = performance.now();
    const figure = this.chart.figure(view);
    this.tell(view.history);
    this.note.hidden = !figure.note;
    say(this.note, figure.note ?? "");
    this.drawLegend(figure.legend);
    if (this.chart.each) this.offer(view.history.started?.copies?.names ?? [], view.copy);
    this.show(plotly, figure.data, this.zoomed(figure.layout));
    const cost = performance.now() - began;
    this.cost = this.cost ? 0.8 * this.cost + 0.2 * cost : cost;
    this.stamped = { step: view.history.step, time: Math.max(0, ...this.chart.kinds.map((kind) => view.history.times[kind] ?? 0)) };
    setTimeout(() => this.stamp(), 0); // after the browser has painted
  }

  resize(plotly: any): void {
    const shown = this.plot.getClientRects().length > 0; // not while the page around it is taken away
    if (this.ready && this.visible && shown) plotly.Plots.resize(this.plot);
  }

  destroy(plotly: any): void {
    if (this.ready) plotly.purge(this.plot);
  }

  private show(plotly: any, data: Json[], layout: Json): void {
    const key = frame(data, layout), at = performance.now();
    const due = (limit: typeof WHOLE) => at - this.whole.at > Math.max(limit.ms, this.whole.cost / limit.share);
    if (!due(WHOLE) && key === this.frame && move(this.plot, data, this.zoom.x !== undefined || !due(OUTGROWN))) return;
    plotly.react(this.plot, data, layout, CONFIG);
    this.frame = key;
    this.whole = { at, cost: performance.now() - at };
    if (!this.ready) this.listen();
  }

  private listen(): void {
    this.ready = true;
    const plot = this.plot as any;
    plot.on("plotly_relayout", (change: Json) => this.zoomTo(change));
    plot.on("plotly_doubleclick", () => this.reset());
  }

  private zoomTo(change: Json): void {
    for (const axis of ["x", "y"] as const) {
      const range = change[`${axis}axis.range`] ?? [change[`${axis}axis.range[0]`], change[`${axis}axis.range[1]`]];
      if (range[0] !== undefined) this.zoom[axis] = range;
    }
    this.touch(); // draws the part on screen in full detail
  }

  private zoomed(layout: Json): Json {
    const axis = (name: "x" | "y") => ({ ...layout[`${name}axis`], ...(this.zoom[name] ? { range: this.zoom[name], autorange: false } : {}) });
    return { ...layout, xaxis: axis("x"), yaxis: axis("y") };
  }

  private stamp(): void {
    const { step, time } = this.stamped;
    Object.assign(this.root.dataset, { step, time, drawnAt: (performance.timeOrigin + performance.now()) / 1000, cost: this.cost.toFixed(1) });
  }

  /** Draws anew as soon as can be, for someone has asked for it. */
  touch(): void {
    this.dirty = true;
    this.next = 0;
    this.whole.at = -Infinity;
    this.changed();
  }

  private switch(): HTMLElement {
    const { label, choices } = this.chart.options!;
    const buttons = choices.map(([value, text]) => {
      const choose = () => {
        this.option = value;
        delete this.zoom.y;
        buttons.forEach((b) => b.setAttribute("aria-pressed", String(b === button)));
        this.touch();
      };
      const button = el("button", { type: "button", "aria-pressed": String(value === this.option), click: choose }, text);
      return button;
    });
    return el("div", { class: "ll-switch", role: "group", "aria-label": label }, ...buttons);
  }

  /** The copies to choose from, where there are several. */
  private offer(names: string[], shown: number): void {
    const key = names.join("\n");
    if (key !== this.offered) this.copies.replaceChildren(...names.map((name, k) => el("option", { value: k }, name[0]!.toUpperCase() + name.slice(1))));
    this.offered = key;
    this.copies.hidden = !names.length;
    this.copies.value = String(shown);
  }

  private drawLegend(entries: Entry[]): void {
    const key = JSON.stringify(entries);
    if (key === this.legendKey) return;
    this.legendKey = key;
    this.legend.replaceChildren(...entries.map((entry) => this.entry(entry)));
  }

  private entry({ name, colour, mark }: Entry): HTMLElement {
    const flip = () => {
      if (!this.hidden.delete(name)) this.hidden.add(name);
      button.setAttribute("aria-pressed", String(!this.hidden.has(name)));
      this.touch();
    };
    const swatch = el("span", { class: `ll-swatch ll-${mark ?? "solid"}`, style: `--c:${colour}` });
    const button = el("button", {
      type: "button", class: "ll-entry", "aria-pressed": String(!this.hidden.has(name)), title: `Show or hide ${name}`, click: flip,
    }, swatch, name);
    return button;
  }
}
