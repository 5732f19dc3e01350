import { el, fresh, say } from "./dom";
import { num } from "./format";
import type { History } from "./history";
import type { Data } from "./types";

type Send = (when: string[]) => void;
const OF_LAYERS = ["grad_norm", "update_ratio"];

/** Where the run is to stop by itself: a list, and a line to add to it. */
export class Stops {
  readonly root: HTMLElement;
  private readonly list = el("ul", { class: "ll-stops" });
  private readonly quantity: HTMLSelectElement;
  private readonly layer = el("select", { "aria-label": "Layer", hidden: true });
  private readonly sign: HTMLSelectElement;
  private readonly value = el("input", { type: "number", step: "any", class: "ll-field", "aria-label": "Value" });
  private readonly copies = el("p", { class: "ll-hint", hidden: true }, "The first copy that gets there pauses all.");
  private readonly note = el("span", { class: "ll-ack", role: "status" });
  private when: string[] = [];
  private layers = "?";
  private shown = "?";

  constructor(private data: Data, private readonly send: Send) {
    const id = fresh("stop");
    this.quantity = el("select", { id, change: () => this.choose() }, ...data.stops.map(([name, words]) => el("option", { value: name }, words)));
    this.sign = el("select", { "aria-label": "Above or below" }, el("option", { value: ">" }, "above"), el("option", { value: "<" }, "below"));
    const add = el("button", { type: "submit", class: "ll-button ll-small" }, "Add");
    const form = el("form", { class: "ll-pausing", submit: (event: Event) => this.add(event) },
      el("label", { for: id, class: "ll-hint" }, "Pause when"), this.quantity, this.layer,
      el("div", { class: "ll-row" }, this.sign, this.value, add));
    this.root = el("fieldset", { class: "ll-group" }, el("legend", {}, "Breakpoints"), this.list, form, this.copies, this.note);
    this.choose();
  }

  /** Those of the run, or before one those that the page gave. */
  show(data: Data, history: History, on: boolean): void {
    this.data = data;
    this.root.hidden = data.hide.includes("breakpoints");
    this.copies.hidden = !history.started?.copies;
    this.when = data.run ? history.breakpoints : data.breakpoints;
    this.root.querySelectorAll<HTMLInputElement>("input, select, button").forEach((part) => { part.disabled = !on; });
    const layers = history.layerIds.join("\n"), key = `${this.when.join("\n")} ${on}`;
    if (layers !== this.layers) {
      this.layers = layers;
      this.layer.replaceChildren(el("option", { value: "" }, "of any layer"),
        ...history.layerIds.map((id) => el("option", { value: id }, `of ${data.labels[id] || id}`)));
    }
    if (key === this.shown) return;
    this.shown = key;
    this.list.hidden = !this.when.length;
    this.list.replaceChildren(...this.when.map((text) => this.item(text, on)));
  }

  private item(text: string, on: boolean): HTMLElement {
    const drop = () => this.send(this.when.filter((other) => other !== text));
    return el("li", {}, el("code", {}, this.words(text)),
      el("button", { type: "button", class: "ll-help", "aria-label": `Remove ${text}`, disabled: !on, click: drop }, "×"));
  }

  private words(text: string): string {
    const [, name, node, sign, value] = /^(\w+)(?::([\w.]+))?([<>=])(.+)$/.exec(text) ?? [];
    if (!name) return text;
    const what = this.data.stops.find(([n]) => n === name)?.[1] ?? name;
    return `${what}${node ? ` of ${this.data.labels[node] || node}` : ""} ${sign} ${num(Number(value))}`;
  }

  private choose(): void {
    const name = this.quantity.value;
    this.layer.hidden = !OF_LAYERS.includes(name);
    this.sign.hidden = name === "step";
    this.value.step = name === "step" ? "1" : "any";
    this.value.min = name === "step" ? "1" : "";
  }

  private add(event: Event): void {
    event.preventDefault();
    if (this.value.value === "" || !this.value.validity.valid) return say(this.note, "A number, please.");
    say(this.note, "");
    const name = this.quantity.value, node = this.layer.hidden || !this.layer.value ? "" : `:${this.layer.value}`;
    const text = `${name}${node}${name === "step" ? "=" : this.sign.value}${Number(this.value.value)}`;
    if (!this.when.includes(text)) this.send([...this.when, text]);
    this.value.value = "";
  }
}
