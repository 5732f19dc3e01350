// What part of the drawing is seen.
import { useCallback, useContext, useEffect, useRef, type RefObject } from "react";
import { useReactFlow, type Viewport } from "@xyflow/react";
import { sizeOf, type FEdge, type FNode, type Point } from "./graph";
import { arrange } from "./layout";
import { Ctx, useDoc } from "./parts";

// What fitting leaves free (px): the toolbar stands on top, or, with nothing to edit, one button at the left and, once it
// trains, the legend below layers that have grown by the line with their gradient.
const FRAME = { top: 24, left: 40, right: 40, bottom: 24 };
const VIEW_FRAME = { top: 16, left: 72, right: 32, bottom: 62 };
export const READABLE = 0.5; // the least zoom at which a layer is read
const CLOSE = 0.65, CLOSEST = 1.15; // zoom
export const NARROW = 620; // px, as in style.css: what is narrower is a phone
const EDGE = 24; // px from the border to the first layer

const px = (frame: typeof FRAME) => Object.fromEntries(Object.entries(frame).map(([side, n]) => [side, `${n}px` as const]));
const glide = (ms: number) => (matchMedia("(prefers-reduced-motion: reduce)").matches ? 0 : ms);

export function useView(root: RefObject<HTMLDivElement | null>) {
  const { doc } = useContext(Ctx);
  const flow = useReactFlow<FNode, FEdge>();
  const pane = useCallback(() => root.current!.querySelector(".react-flow"), [root]);
  const frame = useCallback(() => {
    if (doc.st.readonly) return VIEW_FRAME;
    return { ...FRAME, top: FRAME.top + (root.current?.querySelector(".bar")?.clientHeight ?? 0) }; // one row, or two on a phone
  }, [doc, root]);
  const fit = useCallback((duration = glide(200)) => {
    void flow.fitView({ padding: px(frame()), maxZoom: CLOSEST, duration });
  }, [flow, frame]);
  /** What a document is first seen as: whole, or, where that would be too small to read, from its beginning. A phone
   *  offers a list beside (see Offer). */
  const open = useCallback(() => {
    const box = pane(), all = bounds(doc.st.nodes), { top, left, right, bottom } = frame();
    if (!box || !doc.st.nodes.length) return;
    const wide = box.clientWidth - left - right, high = box.clientHeight - top - bottom;
    if (doc.st.readonly || Math.min(wide / all.w, high / all.h) >= READABLE) return fit(0);
    const first = beginning(doc.st.nodes, doc.st.edges);
    const whole = all.h * CLOSE <= high; // every row can be seen: they stand in the middle
    const y = whole ? top + (high - all.h * CLOSE) / 2 - all.y * CLOSE : top + EDGE - first.y * CLOSE;
    void flow.setViewport({ x: EDGE - first.x * CLOSE, y, zoom: CLOSE });
  }, [doc, fit, flow, frame, pane]);
  const layout = useCallback(() => {
    doc.place(arrange(doc.now, doc.st.dir));
    setTimeout(fit, 30);
  }, [doc, fit]);
  const turn = useCallback(() => { doc.s.setState({ dir: doc.st.dir === "LR" ? "TB" : "LR" }); layout(); }, [doc, layout]);
  const center = useCallback((at: Point, zoom = flow.getZoom()) => void flow.setCenter(at.x, at.y, { duration: glide(150), zoom }), [flow]);
  /** Brings a place into the middle, unless it is well in sight. */
  const reveal = useCallback((at: Point) => {
    const box = pane()?.getBoundingClientRect(), p = flow.flowToScreenPosition(at);
    const seen = box && p.x > box.left + 40 && p.x < box.right - 90 && p.y > box.top + 40 && p.y < box.bottom - 40;
    if (box && !seen) setTimeout(() => center(at), 40);
  }, [center, flow, pane]);
  /** Goes to the block that holds a node, selects it, brings it into the middle and hands it the keyboard. */
  const jump = useCallback((path: string) => {
    const id = path.slice(path.lastIndexOf(".") + 1);
    doc.visit(path.split(".").slice(0, -1));
    doc.select([id]);
    const node = doc.st.nodes.find((n) => n.id === id);
    if (!node) return;
    center({ x: node.position.x + sizeOf(node).w / 2, y: node.position.y + sizeOf(node).h / 2 }, Math.max(0.8, flow.getZoom()));
    focusNode(root.current!, id);
  }, [center, doc, flow, root]);
  const chosen = useCallback(() => {
    const [node] = doc.selected;
    if (node) reveal({ x: node.position.x + sizeOf(node).w / 2, y: node.position.y + sizeOf(node).h / 2 });
  }, [doc, reveal]);
  useEffect(() => { doc.view = { fit, layout, chosen }; }, [doc, fit, layout, chosen]);
  // Once per document, as soon as all of its own nodes are measured (React Flow still holds those of the last one).
  const epoch = useDoc((s) => s.epoch), ready = useDoc((s) => s.nodes.length > 0 && s.nodes.every((n) => n.measured));
  const readonly = useDoc((s) => s.readonly), stack = useDoc((s) => s.stack);
  const opened = useRef(""), at = useDoc((s) => s.at);
  const seen = `${epoch} ${readonly} ${stack} ${at}`;
  const left = useRef(new Map<string, Viewport>()), now = useRef(flow); // how each block was last seen
  now.current = flow;
  useEffect(() => {
    const key = `${epoch} ${at}`, kept = left.current;
    return () => { kept.set(key, now.current.getViewport()); };
  }, [epoch, at]);
  useEffect(() => {
    if (!ready || stack || opened.current === seen) return;
    opened.current = seen;
    const before = left.current.get(`${epoch} ${at}`);
    if (before && !readonly) void flow.setViewport(before); else open();
  }, [ready, stack, seen, open, epoch, at, readonly, flow]);
  return { fit, layout, turn, reveal, jump, pane };
}

/** The keyboard goes to a node, or to its row in the list, once that is there. */
export function focusNode(root: HTMLElement, id: string) {
  setTimeout(() => {
    const found = root.querySelector<HTMLElement>(`.react-flow__node[data-id="${id}"], [data-row][data-id="${id}"] .name`);
    found?.focus({ preventScroll: found.classList.contains("react-flow__node") });
  }, 60);
}

export function bounds(nodes: FNode[]) {
  const x = Math.min(...nodes.map((n) => n.position.x)), y = Math.min(...nodes.map((n) => n.position.y));
  const right = Math.max(...nodes.map((n) => n.position.x + sizeOf(n).w));
  return { x, y, w: right - x, h: Math.max(...nodes.map((n) => n.position.y + sizeOf(n).h)) - y };
}
/** Where reading starts: the leftmost layer that nothing feeds, the upper one of several. */
function beginning(nodes: FNode[], edges: FEdge[]): Point {
  const fed = new Set(edges.map((e) => e.target));
  const sources = nodes.filter((n) => n.type === "layer" && !fed.has(n.id));
  const all = sources.length ? sources : nodes;
  return all.map((n) => n.position).reduce((a, b) => (b.x < a.x || (b.x === a.x && b.y < a.y) ? b : a));
}
