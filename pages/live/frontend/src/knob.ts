import { el, fresh, say } from "./dom";
import { count, num } from "./format";
import { TICKS, toPosition, toValue } from "./scale";
import type { KnobSpec } from "./types";

const ACK_MS = 250; // without an answer for this long the next value is sent all the same

/** One knob: a slider that acts while it is dragged, and a field for the exact number. */
export class Knob {
  readonly root: HTMLElement;
  private readonly slider: HTMLInputElement;
  private readonly field: HTMLInputElement;
  private readonly ack = el("span", { class: "ll-ack" });
  private value: number;
  private sent: number | null = null; // value of the message in flight
  private next: number | null = null; // newest value that is not sent yet
  private timer = 0;

  constructor(readonly spec: KnobSpec, title: string, private readonly send: (value: number, done: boolean) => boolean) {
    this.value = spec.default;
    const id = fresh("knob"), help = fresh("help");
    this.slider = el("input", {
      type: "range", min: 0, max: TICKS, step: 1, id, "aria-describedby": help,
      input: () => this.turn(toValue(spec, Number(this.slider.value)), false), change: () => this.turn(this.value, true),
    });
    this.field = el("input", {
      type: "number", class: "ll-field", min: spec.low, max: spec.high, step: spec.kind === "int" ? 1 : "any", "aria-label": `${title}, exact`,
      change: () => this.type(),
    });
    const symbol = spec.symbol ? [" ", el("i", { class: "ll-symbol" }, spec.symbol)] : [];
    this.root = el("div", { class: "ll-knob", "data-knob": spec.name },
      el("div", { class: "ll-knob-head" },
        el("label", { for: id }, title, ...symbol),
        el("span", { class: "ll-tip" },
          el("button", { type: "button", class: "ll-help", "aria-label": `About ${title}`, "aria-describedby": help }, "?"),
          el("span", { role: "tooltip", id: help, class: "ll-tooltip" }, `${spec.help} From ${num(spec.low)} to ${num(spec.high)}.`)),
        this.field),
      this.slider, this.ack);
    this.show(this.value);
  }

  /** The value as the run has it. A hand on the slider is not moved. */
  set(value: number, ackStep?: number): void {
    if (ackStep !== undefined && String(ackStep) !== this.root.dataset.acked) {
      say(this.ack, `in effect from step ${count(ackStep)}`);
      this.root.dataset.acked = String(ackStep);
      if (value === this.sent) this.answered();
    }
    const busy = this.sent !== null || this.next !== null || this.slider.matches(":active") || this.field === document.activeElement;
    if (!busy && value !== this.value) {
      this.value = value;
      this.show(value);
    }
  }

  forget(): void {
    say(this.ack, "");
    delete this.root.dataset.acked;
    clearTimeout(this.timer);
    this.sent = this.next = null;
  }

  refuse(words: string): void {
    say(this.ack, words);
    this.answered();
  }

  enable(on: boolean): void {
    this.slider.disabled = this.field.disabled = !on;
  }

  private type(): void {
    const value = Number(this.field.value);
    if (this.field.value === "" || !this.field.validity.valid) {
      say(this.ack, `A number from ${num(this.spec.low)} to ${num(this.spec.high)}${this.spec.kind === "int" ? ", whole" : ""}, please.`);
      return this.show(this.value);
    }
    this.turn(value, true);
  }

  private turn(value: number, done: boolean): void {
    this.value = value;
    this.show(value);
    this.next = value;
    if (this.sent === null || done) this.flush(done);
  }

  /** One message in flight: what moved meanwhile goes out with the answer, as the newest value only. */
  private flush(done: boolean): void {
    if (this.next === null) return;
    const value = this.next;
    this.next = null;
    if (!this.send(value, done)) return void say(this.ack, "");
    this.sent = value;
    clearTimeout(this.timer);
    this.timer = window.setTimeout(() => this.answered(), ACK_MS);
  }

  private answered(): void {
    this.sent = null;
    clearTimeout(this.timer);
    this.flush(false);
  }

  private show(value: number): void {
    if (this.slider !== document.activeElement || !this.slider.matches(":active")) this.slider.value = String(toPosition(this.spec, value));
    this.slider.setAttribute("aria-valuetext", num(value));
    if (Number(this.field.value) !== value || this.field.value === "") this.field.value = exact(value);
  }
}

const exact = (value: number): string => (value !== 0 && Math.abs(value) < 1e-3 ? value.toExponential() : String(Number(value.toPrecision(6))));
