// Live colours and preview pictures bypass React and Python: they are published in the page, and written straight onto
// the DOM, so that 200 nodes at 10 updates a second cost no drawing of the editor.
import { RAMP, STEPS, TINT } from "./colors";
import type { Live, Preview, Seen } from "./types";

interface Wire { el: SVGElement; source: string; target: string }
type Latest<T> = Record<string, T> | undefined;
const step = (c: number) => Math.round(Math.max(0, Math.min(1, c)) * STEPS);
const PICTURE = /^data:image\/(png|webp|jpeg);base64,/; // a node shows pictures, nothing that a page could run or fetch

export class LiveView {
  private nodes = new Map<string, HTMLElement>();
  private wires = new Map<string, Wire>();
  private feed: string | null = null;
  private preview: string | null = null;
  private last = new Map<string, Seen>(); // by path of the drawing
  private at = ""; // what the paths of what is seen begin with
  private legend: HTMLElement | null = null;

  constructor() {
    globalThis.addEventListener("layerloom:live", this.hear);
    globalThis.addEventListener("layerloom:preview", this.look);
  }
  destroy() {
    globalThis.removeEventListener("layerloom:live", this.hear);
    globalThis.removeEventListener("layerloom:preview", this.look);
  }
  private hear = (e: Event) => {
    const { run, nodes } = (e as CustomEvent<Live>).detail;
    if (this.feed !== null && run === this.feed) this.show(nodes);
  };
  private look = (e: Event) => {
    const { feed, nodes } = (e as CustomEvent<Preview>).detail;
    if (this.preview !== null && feed === this.preview) this.show(nodes);
  };
  /** Shows the run `feed`, or else `preview`, from now on, starting with its latest values. */
  follow(feed: string | null, preview: string | null = null) {
    if (feed === this.feed && preview === this.preview) return;
    this.feed = feed;
    this.preview = preview;
    const page = globalThis as { __layerloomLive?: Latest<Live>; __layerloomPreview?: Latest<Preview> };
    const live = feed === null ? undefined : page.__layerloomLive?.[feed];
    this.show((live ?? (preview === null ? undefined : page.__layerloomPreview?.[preview]))?.nodes ?? null);
  }

  node(id: string, el: HTMLElement | null) { if (el) { this.nodes.set(id, el); this.paintNode(id); } else this.nodes.delete(id); }
  wire(id: string, wire: Wire | null) { if (wire) { this.wires.set(id, wire); this.paintWire(id); } else this.wires.delete(id); }
  setLegend(el: HTMLElement | null) { this.legend = el; this.showLegend(); }

  /** Another block is open: what is seen are other nodes, though their names may be the same. */
  enter(at: string) {
    if (at === this.at) return;
    this.at = at;
    this.repaint();
  }
  private show(seen: Record<string, Seen> | null) {
    this.last = byPath(seen ?? {});
    this.showLegend();
    this.repaint();
  }
  private repaint() {
    for (const id of this.nodes.keys()) this.paintNode(id);
    for (const id of this.wires.keys()) this.paintWire(id);
  }
  private showLegend() {
    const coloured = [...this.last.values()].some((v) => v.c !== null);
    this.legend?.toggleAttribute("hidden", !coloured);
  }
  // Plain properties: a custom property is inherited and would restyle every descendant.
  private paintNode(id: string) {
    const el = this.nodes.get(id)!, v = this.last.get(this.at + id), at = mark(v);
    if (el.dataset.live !== at) {
      el.dataset.live = at;
      el.style.backgroundColor = at && TINT[Number(at)];
      el.style.borderColor = at && RAMP[Number(at)];
    }
    const slot = el.querySelector<HTMLElement>(".live");
    if (slot) paintSlot(slot, v);
  }
  /** A wire takes the colour of the layer it feeds, or else of the one that feeds it. */
  private paintWire(id: string) {
    const { el, source, target } = this.wires.get(id)!;
    const at = mark(this.last.get(this.at + target)) || mark(this.last.get(this.at + source));
    if (el.dataset.live === at) return;
    el.dataset.live = at;
    el.querySelector<SVGPathElement>(".react-flow__edge-path")!.style.stroke = at && RAMP[Number(at)];
  }
}

/** Ids of a run are those of the network with its blocks written out: `res_1.0.conv_1` is drawn as `res_1.conv_1`. */
const drawn = (id: string) => id.split(".").filter((part) => !/^\d+$/.test(part)).join(".");
const far = (v: Seen | undefined) => (typeof v?.c === "number" ? Math.abs(v.c - 0.5) : -1);

/** A node that is drawn once and repeats shows the worst of its times; a block shows its worst layer, and names it. */
export function byPath(seen: Record<string, Seen>): Map<string, Seen> {
  const found = new Map<string, Seen>();
  for (const [id, v] of Object.entries(seen)) {
    const path = drawn(id), parts = path.split(".");
    if (far(v) > far(found.get(path)) || !found.has(path)) found.set(path, { ...v, img: found.get(path)?.img ?? v.img, alt: found.get(path)?.alt ?? v.alt });
    for (let n = parts.length - 1; n > 0; n -= 1) {
      const block = parts.slice(0, n).join(".");
      if (far(v) > far(found.get(block))) found.set(block, { c: v.c, t: `${id.slice(block.length + 1)}: ${v.t}` });
    }
  }
  return found;
}

/** The step on the ramp, "" without a colour. */
const mark = (v: Seen | undefined) => (typeof v?.c === "number" ? String(step(v.c)) : "");

/** A picture, if there is one, over a line of text. */
function paintSlot(slot: HTMLElement, v: Seen | undefined) {
  const source = typeof v?.img === "string" && PICTURE.test(v.img) ? v.img : null;
  let picture = slot.querySelector("img"), text = slot.querySelector("span");
  if (source) {
    if (!picture) { picture = document.createElement("img"); slot.prepend(picture); }
    if (picture.src !== source) picture.src = source;
    picture.alt = v!.alt ?? "";
  } else picture?.remove();
  if (v?.t) {
    if (!text) { text = document.createElement("span"); slot.append(text); }
    if (text.textContent !== v.t) text.textContent = v.t;
  } else text?.remove();
}
