import { Card } from "./card";
import { CHARTS } from "./charts";
import type { View } from "./charts/chart";
import { el, loadScript } from "./dom";
import { publish } from "./flow";
import { History } from "./history";
import { Knobs } from "./knobs";
import { More } from "./more";
import { Painter } from "./painter";
import { Stream } from "./stream";
import { readTheme, type Theme } from "./theme";
import { past, TimeBar } from "./time";
import { Toolbar } from "./toolbar";
import { LIVE, OVER, type Command, type Component, type Fork, type Json, type Packet } from "./types";

const THEME_MS = 700; // how soon a switch between light and dark is followed
const REFUSAL_MS = 8000;

/** The live panel: one per place on the page, whatever run it shows. */
export class Panel {
  private readonly root = el("div", { class: "ll" });
  private readonly toolbar = new Toolbar((command) => this.command(command), (fork) => this.fork(fork), () => this.steer());
  private readonly time = new TimeBar((step) => this.look(step), (settings) => this.goOn(settings));
  private readonly more = new More((name, on) => this.measure(name, on));
  private readonly knobs: Knobs;
  private readonly cards: Card[];
  private readonly painter: Painter;
  private readonly timer: number;
  private readonly seen: IntersectionObserver;
  private readonly sized: ResizeObserver;
  private history = new History();
  private stream: Stream | null = null;
  private ghost: History | null = null; // of the run that this one goes on from
  private before: Stream | null = null;
  private past: { step: number; kept: Json | null; turned: Record<string, number>; history: History } | null = null;
  private copy = 0; // the one that pictures show, of several
  private steering = false; // another browser's run
  private theme: Theme;
  private plotly: any = null;
  private refusal = "";

  constructor(private api: Component) {
    this.knobs = new Knobs(api.data, (name, value, done) => this.turn(name, value, done), (when) => this.stopAt(when));
    this.painter = new Painter([], () => undefined);
    this.cards = CHARTS.map((chart) => new Card(chart, () => this.painter.kick(), (copy) => this.pick(copy)));
    this.painter = new Painter(this.cards, (card) => this.draw(card));
    const grid = el("div", { class: "ll-grid" }, ...this.cards.map((card) => card.root));
    this.root.append(this.toolbar.root, this.time.root, el("div", { class: "ll-body" }, el("div", { class: "ll-charts" }, grid, this.more.root), this.knobs.root));
    api.parentElement.append(this.root);
    this.theme = readTheme(this.root);
    this.seen = new IntersectionObserver((entries) => this.noticed(entries));
    this.sized = new ResizeObserver(() => this.resize());
    for (const card of this.cards) this.seen.observe(card.root);
    this.sized.observe(grid);
    window.addEventListener("pointerup", this.release);
    document.addEventListener("visibilitychange", this.painter.kick);
    this.timer = window.setInterval(() => this.follow(), THEME_MS);
    this.attach();
    loadScript(api.data.plotly).then(() => this.begin(), (problem) => this.refuse(problem.message));
  }

  /** New data from Python: another run, other knobs, other points. The charts stay where they are. */
  update(api: Component): void {
    const before = this.api.data;
    this.api = api;
    if (api.data.run !== before.run) this.attach();
    if (api.data.run && api.data.run !== before.run) this.come();
    this.follow();
    this.redraw();
  }

  /** A run was just started: where the panel lies below the fold, as on a phone, it comes into view. */
  private come(): void {
    if (this.root.getBoundingClientRect().top < innerHeight * 0.7) return;
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.root.scrollIntoView({ behavior: calm ? "auto" : "smooth", block: "start" });
  }

  destroy(): void {
    this.stream?.close();
    this.before?.close();
    this.painter.stop();
    clearInterval(this.timer);
    this.seen.disconnect();
    this.sized.disconnect();
    window.removeEventListener("pointerup", this.release);
    document.removeEventListener("visibilitychange", this.painter.kick);
    for (const card of this.cards) card.destroy(this.plotly);
    this.root.remove();
  }

  // ---- the run ---------------------------------------------------------------------------------------------

  private attach(): void {
    const { run } = this.api.data;
    this.stream?.close();
    this.history = new History();
    this.past = null;
    this.copy = 0;
    this.steering = false;
    this.refusal = "";
    this.follows();
    this.knobs.forget();
    for (const card of this.cards) card.reset();
    const { history } = this;
    this.stream = run ? new Stream(run, () => history.after, (packet) => this.take(packet), () => this.show()) : null;
    this.redraw();
  }

  private take(packet: Packet): void {
    const before = this.history.status.state, { run } = this.api.data;
    const kinds = this.history.take(packet);
    if (packet.refused) this.refuse(`${packet.refused.what} ${packet.refused.cure}`, packet.refused.field);
    if (kinds.has("layers") && run && !this.past) publish(run, this.history.layerIds, this.history.norms);
    if (kinds.has("hit") && before) this.api.setTriggerValue("hit", this.history.step);
    const all = kinds.has("started") || kinds.has("knob");
    for (const card of this.cards) if (all || card.chart.kinds.some((kind) => kinds.has(kind))) card.dirty = true;
    const { state } = packet.status;
    if (kinds.has("started") && LIVE.includes(state)) for (const name of this.more.chosen) this.measure(name, true);
    this.more.learn(this.history.more);
    this.show();
    if (LIVE.includes(before) && OVER.includes(state)) this.api.setTriggerValue("over", state);
  }

  /** The curve of the run that this one goes on from. */
  private follows(): void {
    this.before?.close();
    const { parent } = this.api.data;
    const ghost = (this.ghost = parent ? new History() : null);
    const drawn = (packet: Packet) => {
      if (!ghost!.take(packet).has("point")) return;
      for (const card of this.cards) if (card.chart.kinds.includes("point")) card.dirty = true;
      this.painter.kick();
    };
    this.before = parent ? new Stream(parent.run, () => ghost!.after, drawn, () => undefined) : null;
  }

  /** Shows the run as it was after `step` steps; null is how it is now. */
  private look(step: number | null): void {
    const { run } = this.api.data, { history } = this;
    if (step === null || !run) this.past = null;
    else {
      const turned = this.past?.turned ?? {};
      this.past = { step, kept: null, turned, history: past(history, step, null, turned) };
      void this.fetch(run, step);
    }
    this.knobs.forget();
    if (run && !this.past) publish(run, history.layerIds, history.norms);
    this.redraw();
  }

  private async fetch(run: string, step: number): Promise<void> {
    const answer = await fetch(new URL(`/layerloom/kept/${run}/${step}`, document.baseURI)).catch(() => null);
    const kept: Json | null = answer?.ok ? await answer.json() : null;
    if (this.past?.step !== step || this.api.data.run !== run) return; // it has been moved on meanwhile
    if (!kept) return this.refuse("The pictures of this moment could not be had: it may no longer be kept.");
    this.past = { ...this.past, kept, history: past(this.history, step, kept, this.past.turned) };
    publish(run, this.history.layerIds, this.past.history.norms);
    this.redraw();
  }

  private goOn(settings: boolean): void {
    if (this.past) this.fork({ step: this.past.step, knobs: this.past.turned, settings });
  }

  private fork(fork: Fork): void {
    this.api.setTriggerValue("fork", fork);
  }

  private steer(): void {
    this.steering = true;
    this.show();
  }

  private stopAt(when: string[]): void {
    if (this.api.data.run) return this.command({ do: "break", when });
    this.api.data.breakpoints = when;
    this.api.setStateValue("breakpoints", when);
    this.show();
  }

  /** Has the run measure `name` from now on, or no more. Before a run it is remembered. */
  private measure(name: string, on: boolean): void {
    if (this.api.data.run && this.history.status.state) this.stream?.send({ do: "measure", name, value: Number(on) });
    for (const card of this.cards) if (card.chart.asks === name) card.dirty = true;
    this.show();
  }

  private pick(copy: number): void {
    this.copy = copy;
    for (const card of this.cards) if (card.chart.each) card.touch();
  }

  private command(command: Command): void {
    if (!this.stream?.send(command)) this.refuse("The connection is lost. Try again in a moment.");
  }

  /** A knob was moved: to the run at once, or before a run to the page when it is let go. */
  private turn(name: string, value: number, done: boolean): boolean {
    if (this.past) {
      this.past.turned = { ...this.past.turned, [name]: value };
      this.past.history.knobs = { ...this.past.history.knobs, [name]: value };
      this.show();
      return false;
    }
    if (this.api.data.run) return this.stream?.send({ do: "set", name, value }) ?? false;
    this.api.data.values = { ...this.api.data.values, [name]: value };
    if (done) this.api.setStateValue("knobs", this.api.data.values);
    return false;
  }

  private refuse(words: string, knob?: string | null): void {
    this.refusal = words;
    if (knob) this.knobs.refuse(knob, words);
    this.show();
    setTimeout(() => {
      if (this.refusal !== words) return;
      this.refusal = "";
      this.show();
    }, REFUSAL_MS);
  }

  // ---- the picture -----------------------------------------------------------------------------------------

  private begin(): void {
    this.plotly = (globalThis as any).Plotly;
    this.redraw();
  }

  private redraw(): void {
    for (const card of this.cards) card.dirty = true;
    this.show();
  }

  /** Everything but the charts, which the painter draws when there is time. */
  private show(): void {
    const { data } = this.api, { history } = this;
    const mine = !data.foreign || this.steering;
    this.toolbar.show(data.run, history, this.stream?.link ?? "open", this.refusal, !mine);
    this.time.show(history, this.past?.step ?? null, Object.keys(this.past?.turned ?? {}).length, data.settings,
      data.hide.includes("time"));
    this.knobs.show(data, this.past?.history ?? history, mine, this.past !== null);
    for (const card of this.cards) {
      card.root.hidden = card.chart.asks ? !this.more.chosen.has(card.chart.asks) : !card.chart.shown(history, data);
      if (!card.root.hidden) card.tell(this.past?.history ?? history);
    }
    this.more.show(history);
    Object.assign(this.root.dataset, { run: data.run ?? "", state: history.status.state || "none", step: history.step, link: this.stream?.link ?? "none", past: this.past?.step ?? "" });
    this.painter.kick();
  }

  private draw(card: Card): void {
    if (!this.plotly) return void (card.dirty = true);
    const [from, until] = card.range(), { data } = this.api;
    const to = Math.min(until, this.past?.step ?? Infinity);
    const names = new Map([...(this.history.started?.layers ?? []), ...(this.history.started?.activations ?? [])]
      .map((l: { id: string; label?: string }) => [l.id, data.labels[l.id] || l.label || l.id]));
    const { history } = this;
    const end = card.until(history.step, history.point?.steps_per_s ?? 0, history.status.state === "running");
    const view: View = {
      history: this.past?.history ?? history, past: this.past?.step ?? null, ghost: this.ghost, data, theme: this.theme, option: card.option, copy: this.copy, hidden: card.hidden, from, to, end,
      width: card.plot.clientWidth - 54, name: (id) => names.get(id) ?? id, knobLabel: (name) => this.knobs.label(name),
    };
    card.draw(this.plotly, view);
  }

  private noticed(entries: IntersectionObserverEntry[]): void {
    for (const entry of entries) {
      const card = this.cards.find((c) => c.root === entry.target);
      if (card) card.visible = entry.isIntersecting;
    }
    this.painter.kick();
  }

  private resize(): void {
    if (!this.plotly) return;
    for (const card of this.cards) card.resize(this.plotly);
    this.painter.kick();
  }

  private follow(): void {
    const theme = readTheme(this.root);
    this.root.dataset.theme = theme.dark ? "dark" : "light";
    if (JSON.stringify(theme) === JSON.stringify(this.theme)) return;
    this.theme = theme;
    this.redraw();
  }

  private readonly release = (): void => {
    for (const card of this.cards) card.held = false;
    this.painter.kick();
  };
}
