// Live colours bypass React and Python: the live charts publish them in the page, and they are written straight onto
// the DOM, so that 200 nodes at 10 updates a second cost no drawing of the editor.
import { RAMP, STEPS, TINT } from "./colors";
import type { Live } from "./types";

const EVENT = "layerloom:live";
interface Wire { el: SVGElement; source: string; target: string }
const step = (c: number) => Math.round(Math.max(0, Math.min(1, c)) * STEPS);

export class LiveView {
  private nodes = new Map<string, HTMLElement>();
  private wires = new Map<string, Wire>();
  private feed: string | null = null;
  private last: Live | null = null;
  private legend: HTMLElement | null = null;

  constructor() { globalThis.addEventListener(EVENT, this.hear); }
  destroy() { globalThis.removeEventListener(EVENT, this.hear); }
  private hear = (e: Event) => {
    const live = (e as CustomEvent<Live>).detail;
    if (this.feed !== null && live.run === this.feed) this.show(live);
  };
  /** Shows the run `feed` from now on, starting with its latest values. */
  follow(feed: string | null) {
    if (feed === this.feed) return;
    this.feed = feed;
    const latest = (globalThis as { __layerloomLive?: Record<string, Live> }).__layerloomLive;
    this.show((feed !== null && latest?.[feed]) || null);
  }

  node(id: string, el: HTMLElement | null) { if (el) { this.nodes.set(id, el); this.paintNode(id); } else this.nodes.delete(id); }
  wire(id: string, wire: Wire | null) { if (wire) { this.wires.set(id, wire); this.paintWire(id); } else this.wires.delete(id); }
  setLegend(el: HTMLElement | null) { this.legend = el; this.legend?.toggleAttribute("hidden", !this.last); }

  private show(live: Live | null) {
    this.last = live;
    this.legend?.toggleAttribute("hidden", !live);
    for (const id of this.nodes.keys()) this.paintNode(id);
    for (const id of this.wires.keys()) this.paintWire(id);
  }
  // Plain properties: a custom property is inherited and would restyle every descendant.
  private paintNode(id: string) {
    const el = this.nodes.get(id)!, v = this.last?.nodes[id], mark = v ? String(step(v.c)) : "";
    if (el.dataset.live !== mark) {
      el.dataset.live = mark;
      el.style.backgroundColor = v ? TINT[step(v.c)] : "";
      el.style.borderColor = v ? RAMP[step(v.c)] : "";
    }
    const slot = el.querySelector(".live");
    if (slot && slot.textContent !== (v?.t ?? "")) slot.textContent = v?.t ?? "";
  }
  /** A wire takes the colour of the layer it feeds, or else of the one that feeds it. */
  private paintWire(id: string) {
    const { el, source, target } = this.wires.get(id)!;
    const v = this.last?.nodes[target] ?? this.last?.nodes[source], mark = v ? String(step(v.c)) : "";
    if (el.dataset.live === mark) return;
    el.dataset.live = mark;
    el.querySelector<SVGPathElement>(".react-flow__edge-path")!.style.stroke = v ? RAMP[step(v.c)] : "";
  }
}
