import { createRoot, type Root } from "react-dom/client";
import { flushSync } from "react-dom";
import { ReactFlowProvider } from "@xyflow/react";
import base from "@xyflow/react/dist/base.css?inline";
import own from "./style.css?inline";
import { Canvas } from "./Canvas";
import { LiveView } from "./live";
import { Ctx } from "./parts";
import { Doc } from "./store";
import type { Args, Data, Palette } from "./types";

/** One mounted editor. */
class Editor {
  private doc: Doc;
  private live = new LiveView();
  private root: Root;
  private style = document.createElement("style");
  private box = document.createElement("div");

  constructor(parent: HTMLElement | ShadowRoot, palette: Palette) {
    this.doc = new Doc(palette);
    this.style.textContent = base + own;
    this.box.className = "layerloom-canvas";
    parent.append(this.style, this.box);
    this.root = createRoot(this.box);
    this.root.render(
      <Ctx.Provider value={{ doc: this.doc, live: this.live }}><ReactFlowProvider><Canvas /></ReactFlowProvider></Ctx.Provider>,
    );
  }
  update({ data, setStateValue, setTriggerValue }: Args<Data>) {
    this.doc.send = (state) => setStateValue("state", state);
    this.doc.fix = (node, code) => setTriggerValue("fix", { node, code });
    this.doc.ask = (asked) => setTriggerValue("block", asked);
    this.doc.paste = (text, at) => setTriggerValue("paste", { text, at: [at.x, at.y] });
    this.box.style.height = `${data.height}px`;
    flushSync(() => this.doc.receive(data)); // shapes are painted in this very frame
    this.live.follow(data.feed, data.preview);
    this.box.dataset.rev = String(this.doc.st.rev);
    this.box.dataset.notes = String(data.notes.rev);
  }
  get gone() { return !this.box.isConnected; }
  destroy() {
    this.live.destroy();
    this.doc.stop();
    this.root.unmount();
    this.box.remove();
    this.style.remove();
  }
}

const editors = new WeakMap<object, Editor>();

/** Streamlit calls this again on every rerun, and the cleanup of the superseded call while the editor is still in use. */
function mount(args: Args<Data>, palette: Palette) {
  const host = args.parentElement;
  const editor = editors.get(host) ?? new Editor(host, palette);
  editors.set(host, editor);
  editor.update(args);
  return () => void setTimeout(() => { if (editor.gone) { editor.destroy(); editors.delete(host); } }, 0);
}

type Mount = (args: Args<Data>) => () => void;
interface Lib { promise: Promise<Mount>; resolve(mount: Mount): void }

function pending(): Lib {
  const lib = {} as Lib;
  lib.promise = new Promise((resolve) => { lib.resolve = resolve; });
  return lib;
}

/** Publishes `mount`, with the palette in it, for the small component of pages/canvas/__init__.py. */
export default function publish({ data }: Args<{ lib: string; palette: Palette }>) {
  const libs = ((globalThis as { __layerloomCanvas?: Record<string, Lib> }).__layerloomCanvas ??= {});
  const lib = (libs[data.lib] ??= pending());
  lib.resolve((args) => mount(args, data.palette));
}
