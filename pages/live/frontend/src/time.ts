import { el, fresh, say } from "./dom";
import { count } from "./format";
import type { History } from "./history";
import type { Json } from "./types";

/** The run as it stood after `step` steps: its curves up to there, the pictures that were newest, its knobs. */
export function past(history: History, step: number, kept: Json | null, turned: Record<string, number>): History {
  const picture = (kind: string): Json | null => kept?.pictures?.[kind]?.[1] ?? null;
  return Object.assign(Object.create(history) as History, {
    step, hist: picture("hist"), boundary: picture("boundary"), norms: picture("layers")?.grad_norm ?? [],
    knobs: { ...(kept?.knobs ?? history.knobs), ...turned }, acked: {}, status: { ...history.status, state: "paused" },
  });
}

/** A slider over the moments that are kept, and what can be done from the one that is looked at. */
export class TimeBar {
  readonly root: HTMLElement;
  private readonly slider: HTMLInputElement;
  private readonly at = el("output", { class: "ll-at" });
  private readonly now: HTMLButtonElement;
  private readonly on: HTMLButtonElement;
  private readonly other: HTMLButtonElement;
  private readonly bar = el("div", { class: "ll-past", hidden: true });
  private readonly words = el("p", { class: "ll-hint" });
  private steps: number[] = [];

  constructor(look: (step: number | null) => void, go: (settings: boolean) => void) {
    const id = fresh("time");
    const move = () => look(this.steps[Number(this.slider.value)] ?? null);
    this.slider = el("input", { type: "range", id, min: 0, max: 0, step: 1, input: move });
    this.now = el("button", { type: "button", class: "ll-button", click: () => { look(null); this.slider.focus(); } }, "Back to now");
    this.on = el("button", { type: "button", class: "ll-button ll-go", click: () => go(false) }, "Go on from here");
    this.other = el("button", { type: "button", class: "ll-button", hidden: true, click: () => go(true) }, "Go on with other settings");
    this.bar.append(this.words, el("div", { class: "ll-actions" }, this.now, this.on, this.other));
    this.root = el("div", { class: "ll-time", hidden: true },
      el("div", { class: "ll-track" }, el("label", { for: id }, "Look back"), this.slider, this.at), this.bar);
  }

  /** Of the steps that are kept, `looked` is looked at (null: now); `turned` knobs are to be others from there on. */
  show({ kept: steps, turning }: History, looked: number | null, turned: number, settings: string, hidden: boolean): void {
    this.root.hidden = hidden || steps.length < 2;
    this.steps = steps;
    this.slider.max = String(steps.length);
    const place = looked === null ? steps.length : nearest(steps, looked);
    if (this.slider.value !== String(place)) this.slider.value = String(place);
    const words = looked === null ? "now" : `step ${count(looked)}`;
    say(this.at, words);
    this.slider.setAttribute("aria-valuetext", words);
    this.bar.hidden = looked === null;
    if (looked === null) return;
    const knobs = turned ? `, with ${turned} knob${turned > 1 ? "s" : ""} turned` : "";
    say(this.words, `This is the run after step ${count(looked)}${turning.includes(looked) ? ", right before a knob was turned" : ""}. Turn knobs to try it otherwise; going on starts another run from here${knobs}.`);
    this.other.hidden = !settings;
    this.other.title = settings ? `With the settings of the form: ${settings}` : "";
  }
}

function nearest(steps: number[], step: number): number {
  let best = 0;
  steps.forEach((s, i) => { if (Math.abs(s - step) < Math.abs(steps[best]! - step)) best = i; });
  return best;
}
