import css from "./live.css?inline";
import { el } from "./dom";
import { Panel } from "./panel";
import type { Component } from "./types";

export { health } from "./flow";
export { move } from "./quick";
export { toPosition, toValue } from "./scale";
export { Series } from "./series";

const panels = new WeakMap<HTMLElement, Panel>();

/** Called by Streamlit on mount, and again after every rerun that changes the data or the theme. */
export default function live(component: Component): () => void {
  const root = component.parentElement;
  if (!document.getElementById("layerloom-live-css")) document.head.append(el("style", { id: "layerloom-live-css" }, css));
  const known = panels.get(root);
  if (known) known.update(component);
  const panel = known ?? new Panel(component);
  panels.set(root, panel);
  // Streamlit also runs this when a newer call overtakes a slow one: only a root that left the page is torn down.
  return () => setTimeout(() => {
    if (root.isConnected) return;
    panel.destroy();
    panels.delete(root);
  }, 0);
}
