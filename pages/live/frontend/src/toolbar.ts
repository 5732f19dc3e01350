import { metricName } from "./charts/outputs";
import { el, fresh, say } from "./dom";
import { count, num, percent } from "./format";
import type { History } from "./history";
import type { Link } from "./stream";
import type { Command, Fork, Json, RunState } from "./types";

type Do = Exclude<Command["do"], "set" | "break" | "measure">;
const BUTTONS: [action: Do, text: string, name: string, states: RunState[]][] = [
  ["pause", "Pause", "Pause training", ["running"]],
  ["resume", "Resume", "Resume training", ["paused"]],
  ["step", "Step", "Train on one batch, then pause", ["paused"]],
  ["continue", "Continue", "Continue training from the last checkpoint", ["stopped", "finished", "interrupted", "failed"]],
  ["stop", "Stop", "Stop training and keep the result", ["queued", "starting", "running", "paused"]],
];
const WORDS: Record<RunState, string> = {
  "": "Opening", queued: "Waiting", starting: "Starting", running: "Running", paused: "Paused",
  finished: "Finished", stopped: "Stopped", failed: "Failed", interrupted: "Interrupted",
};
const LINKS: Partial<Record<Link, string>> = {
  lost: "The connection is lost. Trying again by itself; the training goes on.",
  unknown: "There is no run with this address. Choose one from the list of runs.",
};

/** What the run is doing, in words, and what can be done about it. */
export class Toolbar {
  readonly root: HTMLElement;
  private readonly state = el("strong", { class: "ll-state" });
  private readonly facts = el("span", { class: "ll-facts" });
  private readonly spoken = el("span", { class: "ll-spoken", role: "status" });
  private readonly message = el("p", { class: "ll-message", role: "alert", hidden: true });
  private readonly fill = el("div", { class: "ll-fill" });
  private readonly bar: HTMLElement;
  private readonly buttons = new Map<Do, HTMLButtonElement>();
  private readonly cures = el("div", { class: "ll-cures", role: "group", "aria-label": "What may help", hidden: true });
  private readonly foreign: HTMLElement;
  private readonly lane = el("span", { class: "ll-tooltip", role: "tooltip", id: fresh("lane") });
  private readonly tip: HTMLElement;
  private offered: Fork[] = [];

  constructor(send: (command: Command) => void, private readonly fork: (fork: Fork) => void, steer: () => void) {
    for (const [action, text, name] of BUTTONS) {
      const click = () => send({ do: action });
      this.buttons.set(action, el("button", { type: "button", class: `ll-button ll-${action}`, "aria-label": name, title: name, hidden: true, click }, text));
    }
    this.bar = el("div", { class: "ll-bar", role: "progressbar", "aria-label": "Steps done", "aria-valuemin": 0 }, this.fill);
    const actions = el("div", { class: "ll-actions", role: "toolbar", "aria-label": "Training" }, ...this.buttons.values());
    this.tip = el("span", { class: "ll-tip" },
      el("button", { type: "button", class: "ll-help", "aria-label": "How it is computed", "aria-describedby": this.lane.id }, "?"), this.lane);
    this.foreign = el("p", { class: "ll-foreign", hidden: true }, "This run was started in another browser. ",
      el("button", { type: "button", class: "ll-button ll-small", click: steer }, "Steer it all the same"));
    this.root = el("header", { class: "ll-toolbar" },
      el("div", { class: "ll-line" }, el("p", { class: "ll-words" }, this.state, this.facts, this.tip), actions), this.bar,
      this.foreign, this.message, this.cures, this.spoken);
  }

  show(run: string | null, history: History, link: Link, refusal: string, foreign: boolean): void {
    const { state, reason } = history.status;
    if (!run) this.empty();
    else {
      say(this.state, link === "unknown" ? "Not found" : WORDS[state]);
      this.root.dataset.state = link === "unknown" ? "unknown" : state;
      say(this.facts, facts(history));
      say(this.lane, history.started?.lane_reason ?? "");
    }
    this.tip.hidden = !run || !history.started?.lane_reason;
    this.foreign.hidden = !run || !foreign;
    this.help(run && !foreign && history.status.state === "failed" ? history.cures : []);
    if (run && this.spoken.dataset.for !== state) say(this.spoken, `Training: ${WORDS[state]}. ${reason}`);
    this.spoken.dataset.for = state;
    const words = run ? message(history, link, refusal) : "";
    this.message.hidden = !words;
    say(this.message, words);
    this.progress(run ? history : null);
    this.offer(run && link !== "unknown" && !foreign ? state : "");
  }

  private help(cures: Fork[]): void {
    if (cures === this.offered || (!cures.length && !this.offered.length)) return;
    this.offered = cures;
    this.cures.hidden = !cures.length;
    this.cures.replaceChildren(...cures.map((cure) =>
      el("button", { type: "button", class: "ll-button", click: () => this.fork(cure) }, cure.label ?? "")));
  }

  private empty(): void {
    say(this.state, "Ready");
    say(this.facts, "Press Train to see the curves here.");
    this.root.dataset.state = "none";
  }

  private progress(history: History | null): void {
    const steps = history?.status.steps ?? 0, done = steps ? Math.min(1, history!.step / steps) : 0;
    this.fill.style.transform = `scaleX(${done})`;
    this.bar.setAttribute("aria-valuemax", String(steps));
    this.bar.setAttribute("aria-valuenow", String(history?.step ?? 0));
  }

  /** Shows the buttons that apply. A focused one that goes hands the focus on, so that the keyboard is never lost. */
  private offer(state: RunState): void {
    const focused = [...this.buttons.values()].find((b) => b === document.activeElement);
    for (const [action, , , states] of BUTTONS) this.buttons.get(action)!.hidden = !states.includes(state);
    if (focused?.hidden) [...this.buttons.values()].find((b) => !b.hidden)?.focus();
  }
}

/** "step 1,240 of 5,000 · 830 steps/s · validation accuracy 97.3 % · CPU, native lane". */
function facts(history: History): string {
  const { state, steps, queue } = history.status;
  if (state === "queued") return queue ? `Place ${queue} in the queue. It starts by itself.` : "It starts by itself.";
  const point = history.point, parts: string[] = [];
  if (history.started || history.step) parts.push(`step ${count(history.step)}${steps ? ` of ${count(steps)}` : ""}`);
  if (point && state === "running" && point.steps_per_s) parts.push(`${count(point.steps_per_s)} steps/s`);
  if (point && typeof point.val_metric === "number")
    parts.push(validated(history.started?.metric, point.val_metric) + (history.started?.copies ? " (middle copy)" : ""));
  if (history.started?.device) parts.push(device(history.started));
  return parts.join(" · ");
}

const validated = (metric: string, value: number): string =>
  `validation ${metricName(metric)} ${metric === "accuracy" ? percent(value) : num(value)}`;

/** The device and the lane; why that one runs is told beside it. */
const device = (started: Json): string =>
  (started.device === "cpu" ? "CPU" : started.device_name || String(started.device).toUpperCase()) +
  (started.lane ? `, ${started.lane} lane` : "");

function message(history: History, link: Link, refusal: string): string {
  const { state, reason, node } = history.status;
  const name = history.started?.layers?.find((l: { id: string }) => l.id === node)?.label || node;
  const where = node && !reason.includes(name) ? ` Layer: ${name}.` : "";
  const sad = ["failed", "interrupted", "stopped", "finished", "queued", "paused"].includes(state) ? reason + (reason ? where : "") : "";
  const note = history.notes.at(-1);
  return LINKS[link] ?? (refusal || sad || (note && state !== "" ? `${note.what} ${note.cure}` : ""));
}
