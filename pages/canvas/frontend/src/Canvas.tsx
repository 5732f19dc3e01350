import { useCallback, useContext, useEffect, useRef, useState, type ClipboardEvent, type PointerEvent } from "react";
import {
  Background, BackgroundVariant, Controls, MiniMap, Panel, ReactFlow, SelectionMode, useReactFlow, useStore as useFlowStore,
  type Connection, type FinalConnectionState, type IsValidConnection,
} from "@xyflow/react";
import { useAdding } from "./adding";
import { Crumbs, NameBlock } from "./Blocks";
import { fromClipboard } from "./clip";
import { groupColor } from "./colors";
import { type FEdge, type FNode, type Point } from "./graph";
import { onKey } from "./keys";
import { Find, NextMenu, ShortcutSheet } from "./menus";
import { Palette } from "./Palette";
import { Ctx, LayerNode, TensorEdge, useDoc } from "./parts";
import { Stack } from "./Stack";
import { Sticky } from "./Sticky";
import { Toolbar } from "./Toolbar";
import { bounds, focusNode, NARROW, READABLE, useView } from "./view";

const nodeTypes = { layer: LayerNode, note: Sticky };
const edgeTypes = { tensor: TensorEdge };
const PULLED = 24; // px from a port that a wire is drawn before it counts as let go in the open
const LONG_PRESS = 550; // ms
const spoken = {
  "node.a11yDescription.default": "Press Enter to select, A to add what comes next, C to connect, Delete to remove, arrow keys to move.",
  "node.a11yDescription.keyboardDisabled": "Press Enter to select.",
  "edge.a11yDescription.default": "Press Enter to select the wire, Delete to remove it.",
};

export function Canvas() {
  const { doc } = useContext(Ctx);
  const root = useRef<HTMLDivElement>(null);
  const [open, setOpen] = useState(false);
  const { fit, layout, turn, reveal, jump, pane } = useView(root);
  const { dropAt, append, follow } = useAdding(root, { pane, reveal });
  const focus = () => root.current?.focus({ preventScroll: true });
  // Whatever is clicked, and whatever is deleted, the keyboard stays with the editor.
  const keepFocus = () => setTimeout(() => {
    const active = (root.current?.getRootNode() as ShadowRoot | null)?.activeElement;
    if (!active || !root.current!.contains(active)) focus();
  }, 0);
  const middle = useMiddle(pane);
  const note = () => { if (!doc.st.readonly) { const id = doc.addNote(middle()); setTimeout(() => root.current?.querySelector<HTMLElement>(`[data-id="${id}"] textarea`)?.focus(), 60); } };
  const paste = () => void fromClipboard().then((text) => (text ? doc.pasteText(text, middle()) : doc.say("There is nothing to paste. Copy some layers first.", true)));
  const next = useNext(root, false), menu = useNext(root, true);
  const press = useLongPress(menu);
  useEntering(root);
  useWindow(root);
  const far = useFlowStore((s) => s.transform[2] < 0.35);
  const waiting = useSlow(useDoc((s) => s.waiting));
  const readonly = useDoc((s) => s.readonly), stack = useDoc((s) => s.stack && !s.readonly);
  const close = (fn: () => void) => () => { fn(); setOpen(false); };
  return (
    <div className={`editor${far && !stack ? " far" : ""}${waiting ? " waiting" : ""}${readonly ? " view" : ""}`} ref={root} tabIndex={0} role="application"
      aria-label="Network editor" onKeyDown={(e) => onKey(doc, { layout, fit, focus, next, note }, e)}
      onPointerDown={(e) => { keepFocus(); press(e); }} {...useClipboard(middle)}>
      {!readonly && <Palette open={open} onDrop={(t, x, y) => close(() => (stack ? append(t) : dropAt(t, x, y)))()} onPick={append} />}
      <Shown stack={stack} onPaneClick={() => setOpen(false)} next={next} menu={menu} root={root}>
        <Toolbar {...{ open, setOpen, layout, turn, fit, note, paste, stack }} />
        <Crumbs />
      </Shown>
      <NextMenu root={root} follow={follow} done={focus} />
      <Find jump={jump} done={focus} />
      <NameBlock done={focus} />
      <ShortcutSheet done={focus} />
      <Say />
    </div>
  );
}

interface ShownProps { stack: boolean; onPaneClick(): void; next(node: string): void; menu(node: string): void; root: React.RefObject<HTMLDivElement | null>; children: React.ReactNode }
/** The drawing, or the same network as a list. */
function Shown({ stack, children, root, ...rest }: ShownProps) {
  if (stack) return <Stack next={rest.next}>{children}</Stack>;
  return <div className="drawing"><div className="tools">{children}</div><Flow {...rest} root={root} /></div>; // so Tab meets the tools first
}

/** Another block is open: its colours, and the keyboard stays with what is seen. */
function useEntering(root: React.RefObject<HTMLDivElement | null>) {
  const { doc, live } = useContext(Ctx);
  const at = useDoc((s) => s.at), last = useRef(at);
  useEffect(() => {
    live.enter(at);
    if (last.current === at) return;
    last.current = at;
    const block = doc.selected[0];
    if (block) focusNode(root.current!, block.id); else root.current?.focus({ preventScroll: true });
  }, [at, doc, live, root]);
}

/** What the window tells: that no button is held any more, and undo while nothing on the page has the keyboard (the
 *  button that had it went away with what it cured). */
function useWindow(root: React.RefObject<HTMLDivElement | null>) {
  const { doc } = useContext(Ctx);
  useEffect(() => {
    const stop = new AbortController(), { signal } = stop;
    const over = () => setTimeout(doc.letGo, 0); // React Flow hears of it first
    for (const kind of ["pointerup", "pointercancel", "blur"]) addEventListener(kind, over, { signal });
    addEventListener("keydown", (e) => {
      if (e.defaultPrevented || document.activeElement !== document.body || !(e.ctrlKey || e.metaKey) || !/^[zy]$/i.test(e.key)) return;
      e.preventDefault();
      root.current?.focus({ preventScroll: true });
      doc.undo(e.shiftKey || /y/i.test(e.key));
    }, { signal });
    return () => stop.abort();
  }, [doc, root]);
}

/** Whether `on` has been true for a while: only a slow answer is worth showing. */
function useSlow(on: boolean): boolean {
  const [slow, setSlow] = useState(false);
  useEffect(() => {
    const timer = on ? setTimeout(() => setSlow(true), 300) : undefined;
    return () => { clearTimeout(timer); setSlow(false); };
  }, [on]);
  return slow;
}

/** Where the eye is: the middle of what is seen. */
function useMiddle(pane: () => Element | null) {
  const flow = useReactFlow<FNode, FEdge>();
  return useCallback((): Point => {
    const box = pane()?.getBoundingClientRect();
    return box ? flow.screenToFlowPosition({ x: box.left + box.width / 2, y: box.top + box.height / 2 }) : { x: 0, y: 0 };
  }, [flow, pane]);
}

/** Opens the menu of what comes next beside a node, with what can be done with it or without. */
function useNext(root: React.RefObject<HTMLDivElement | null>, acts: boolean) {
  const { doc } = useContext(Ctx);
  return useCallback((from: string) => {
    const box = root.current!.getBoundingClientRect();
    const at = root.current!.querySelector(`[data-id="${from}"]`)?.getBoundingClientRect();
    if (at) doc.openMenu({ from, x: at.right + 8 - box.left, y: at.top - box.top, at: null, acts });
  }, [doc, root, acts]);
}

/** A finger that rests on a node asks for the same menu. */
function useLongPress(next: (node: string) => void) {
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  return useCallback((down: PointerEvent) => {
    const id = (down.nativeEvent.composedPath()[0] as Element).closest(".react-flow__node")?.getAttribute("data-id");
    clearTimeout(timer.current);
    if (down.pointerType !== "touch" || !id) return;
    const stop = new AbortController();
    const end = () => { clearTimeout(timer.current); stop.abort(); };
    timer.current = setTimeout(() => {
      stop.abort();
      addEventListener("touchend", (e) => e.preventDefault(), { once: true, passive: false, capture: true }); // no click after it
      next(id);
    }, LONG_PRESS);
    const moved = (e: globalThis.PointerEvent) => { if (Math.hypot(e.clientX - down.clientX, e.clientY - down.clientY) > 8) end(); };
    for (const kind of ["pointerup", "pointercancel"]) addEventListener(kind, end, { signal: stop.signal });
    addEventListener("pointermove", moved, { signal: stop.signal });
  }, [next]);
}

function useClipboard(middle: () => Point) {
  const { doc } = useContext(Ctx);
  const typing = (e: ClipboardEvent) => /^(INPUT|TEXTAREA)$/.test((e.nativeEvent.composedPath()[0] as HTMLElement).nodeName);
  const take = (cut: boolean) => (e: ClipboardEvent) => {
    const text = typing(e) ? null : doc.copy(cut);
    if (text === null) return;
    e.clipboardData.setData("text/plain", text);
    e.preventDefault();
  };
  const onPaste = (e: ClipboardEvent) => {
    if (typing(e)) return;
    e.preventDefault();
    doc.pasteText(e.clipboardData.getData("text/plain"), middle());
  };
  return { onCopy: take(false), onCut: take(true), onPaste };
}

/** Connecting by drag: what is refused says why, and what is let go in the open asks what comes next. */
function useWiring(root: React.RefObject<HTMLDivElement | null>) {
  const { doc } = useContext(Ctx);
  const flow = useReactFlow<FNode, FEdge>();
  const onConnect = useCallback((c: Connection) => {
    if (!doc.moving) doc.connect(c.source, c.target, Number(c.targetHandle!.slice(2)));
  }, [doc]);
  const isValidConnection: IsValidConnection<FEdge> = useCallback((c) => !doc.refuse(c.source, c.target), [doc]);
  const onConnectEnd = useCallback((e: unknown, c: FinalConnectionState) => {
    if (c.toNode && c.fromNode && !c.isValid) {
      const ends = c.fromHandle?.type === "source" ? [c.fromNode.id, c.toNode.id] : [c.toNode.id, c.fromNode.id];
      const why = doc.refuse(ends[0], ends[1]);
      if (why) doc.say(why, true);
    } else if (!c.toNode && c.fromNode && c.fromHandle?.type === "source" && !doc.moving) {
      const p = e instanceof MouseEvent ? e : (e as TouchEvent).changedTouches[0], box = root.current!.getBoundingClientRect();
      const from = root.current!.querySelector(`[data-id="${c.fromNode.id}"] .react-flow__handle.source`)!.getBoundingClientRect();
      if (Math.hypot(p.clientX - from.x, p.clientY - from.y) < PULLED) return;
      const at = flow.screenToFlowPosition({ x: p.clientX, y: p.clientY });
      doc.openMenu({ from: c.fromNode.id, x: p.clientX - box.left, y: p.clientY - box.top, at });
    }
  }, [doc, flow, root]);
  const onReconnect = useCallback((old: FEdge, c: Connection) => doc.reconnect(old, c.source, c.target, Number(c.targetHandle!.slice(2))), [doc]);
  const onReconnectStart = useCallback((_: unknown, wire: FEdge) => { doc.moving = wire; }, [doc]);
  const onReconnectEnd = useCallback(() => { doc.moving = null; }, [doc]);
  return { onConnect, isValidConnection, onConnectEnd, onClickConnectEnd: onConnectEnd as never, onReconnect, onReconnectStart, onReconnectEnd };
}

function Flow({ onPaneClick, menu, root }: Omit<ShownProps, "stack" | "children">) {
  const { doc, live } = useContext(Ctx);
  const nodes = useDoc((s) => s.nodes), edges = useDoc((s) => s.edges), readonly = useDoc((s) => s.readonly), box = useDoc((s) => s.box);
  const legend = useCallback((el: HTMLDivElement | null) => live.setLegend(el), [live]);
  return (
    <ReactFlow<FNode, FEdge>
      nodes={nodes} edges={edges} nodeTypes={nodeTypes} edgeTypes={edgeTypes} ariaLabelConfig={spoken}
      onNodesChange={doc.onNodesChange} onEdgesChange={doc.onEdgesChange} onPaneClick={onPaneClick} {...useWiring(root)}
      onNodeContextMenu={(e, n) => { if (!readonly) { e.preventDefault(); menu(n.id); } }}
      onNodeDoubleClick={(_, n) => doc.open(n.id)}
      connectionRadius={28} reconnectRadius={18} edgesReconnectable={!readonly} connectOnClick deleteKeyCode={null}
      selectionKeyCode="Shift" multiSelectionKeyCode={["Control", "Meta"]} selectionOnDrag={box} panOnDrag={!box} selectionMode={SelectionMode.Partial}
      onSelectionStart={() => { doc.boxing = true; }} onSelectionEnd={() => { doc.boxing = false; doc.reportSelection(); }}
      nodesDraggable={!readonly} nodesConnectable={!readonly} nodeDragThreshold={2}
      onlyRenderVisibleElements={nodes.length > 120} minZoom={0.05} maxZoom={2}
      snapToGrid snapGrid={[10, 10]} zoomOnDoubleClick={false} preventScrolling={!readonly} zoomOnScroll={!readonly}
    >
      <Background variant={BackgroundVariant.Dots} gap={20} size={1} />
      <Controls showInteractive={false} showFitView={false} />
      {!readonly && <MiniMap pannable zoomable nodeColor={(n) => groupColor(doc.palette, doc.specs.get((n as FNode).data.layer)?.group)} />}
      <Panel position="bottom-center" className="below">
        {!readonly && <Offer />}
        <div className="legend" ref={legend} hidden aria-label="Colours show the gradient, from vanishing through healthy to exploding">
          gradient: vanishing <i /> healthy <i /> exploding
        </div>
      </Panel>
      {!nodes.length && (
        <Panel position="center-left" className="hint">
          <span className="wide">Click a layer on the left to begin, or load a template</span>
          <span className="narrow">Open Layers to begin, or load a template</span>
        </Panel>
      )}
    </ReactFlow>
  );
}

/** On a phone, a drawing that does not fit when it is readable: a list does. */
function Offer() {
  const { doc } = useContext(Ctx);
  const width = useFlowStore((s) => s.width), height = useFlowStore((s) => s.height);
  const large = useDoc((s) => {
    const all = s.nodes.length ? bounds(s.nodes) : { w: 0, h: 0 };
    return all.w * READABLE > width || all.h * READABLE > height;
  });
  return large && width < NARROW ? <button type="button" className="offer" onClick={() => doc.toggle("stack")}>Show as a list</button> : null;
}

/** What was just done or refused: for the ear always, for the eye when something was refused. */
function Say() {
  const { doc } = useContext(Ctx);
  const say = useDoc((s) => s.say);
  useEffect(() => {
    const timer = say.refused ? setTimeout(() => doc.say(""), 6000) : undefined;
    return () => clearTimeout(timer);
  }, [say, doc]);
  return <div className={say.refused && say.text ? "toast" : "sr"} role="status" aria-live="polite">{say.text}</div>;
}
