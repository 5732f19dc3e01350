import { el } from "./dom";
import { Knob } from "./knob";
import { Stops } from "./stops";
import type { History } from "./history";
import type { Data, KnobSpec } from "./types";

const DROPOUT = "dropout:", WEIGHT = "weight:";
type Send = (name: string, value: number, done: boolean) => boolean;

/** The knobs beside the charts, in groups, with one for each Dropout layer and, of several, each Output of the network. */
export class Knobs {
  readonly root = el("aside", { class: "ll-knobs", "aria-label": "Knobs" });
  private readonly noise = el("div", { class: "ll-dropout" });
  private readonly weights = el("fieldset", { class: "ll-group" });
  private readonly hint = el("p", { class: "ll-hint" });
  private readonly knobs = new Map<string, Knob>();
  private readonly stops: Stops;
  private dropouts = "?";
  private outputs = "?";

  constructor(private data: Data, private readonly send: Send, stop: (when: string[]) => void) {
    const groups = data.groups.map((group) => {
      const extra = group.title === "Noise" ? [this.noise] : [];
      return el("fieldset", { class: "ll-group" }, el("legend", {}, group.title), ...extra, ...group.knobs.map((spec) => this.make(spec, spec.label)));
    });
    this.stops = new Stops(data, stop);
    this.root.append(el("h3", { class: "ll-h3" }, "Turn while it trains"), this.hint, this.weights, ...groups, this.stops.root);
  }

  label(name: string): string {
    const spec = this.knobs.get(name)?.spec;
    return spec ? spec.label.replace(" penalty", "") : name;
  }

  /** Shows the values of the run, or before one those that the page gave. */
  show(data: Data, history: History, mine: boolean, looking: boolean): void {
    this.data = data;
    const { state } = history.status, values = history.started ? history.knobs : (data.values ?? {});
    this.offerDropout(Object.keys(values).filter((name) => name.startsWith(DROPOUT)));
    this.offerWeights(Object.keys(values).filter((name) => name.startsWith(WEIGHT)));
    const on = mine && (data.run ? ["queued", "starting", "running", "paused"].includes(state) : data.values !== null);
    const over = mine ? "The run is over; Continue it to turn these." : "It is another browser's run.";
    this.hint.textContent = on ? "" : data.run ? over : "They act once training runs.";
    this.stops.show(data, history, on && !looking);
    this.hint.hidden = on || (Boolean(data.run) && state === "");
    for (const [name, knob] of this.knobs) {
      knob.enable(on);
      if (values[name] !== undefined) knob.set(values[name]!, history.acked[name]);
    }
  }

  forget(): void {
    for (const knob of this.knobs.values()) knob.forget();
  }

  refuse(name: string, words: string): void {
    this.knobs.get(name)?.refuse(words);
  }

  private offerDropout(names: string[]): void {
    const key = names.map((name) => name + this.titleOf(name)).join("\n");
    if (key === this.dropouts) return;
    this.dropouts = key;
    for (const name of this.knobs.keys()) if (name.startsWith(DROPOUT)) this.knobs.delete(name);
    const none = el("p", { class: "ll-hint" }, "Draw a Dropout layer to turn this: dropout sets a share of its values to zero.");
    const specs = names.map((name) => this.make({ ...this.data.dropout, name, label: this.titleOf(name) }, this.titleOf(name)));
    this.noise.replaceChildren(...(specs.length ? specs : [none]));
  }

  private offerWeights(names: string[]): void {
    const title = (name: string) => `Weight: ${this.data.labels[name.slice(WEIGHT.length)] || name.slice(WEIGHT.length)}`;
    const key = names.map((name) => name + title(name)).join("\n");
    if (key === this.outputs) return;
    this.outputs = key;
    for (const name of this.knobs.keys()) if (name.startsWith(WEIGHT)) this.knobs.delete(name);
    const specs = names.map((name) => this.make({ ...this.data.weight, name, label: title(name) }, title(name)));
    this.weights.replaceChildren(el("legend", {}, "Outputs"), ...specs);
    this.weights.hidden = !names.length;
  }

  private titleOf(name: string): string {
    const id = name.slice(DROPOUT.length);
    return `Dropout: ${this.data.labels[id] || id}`;
  }

  private make(spec: KnobSpec, title: string): HTMLElement {
    const knob = new Knob(spec, title, (value, done) => this.send(spec.name, value, done));
    this.knobs.set(spec.name, knob);
    return knob.root;
  }
}
