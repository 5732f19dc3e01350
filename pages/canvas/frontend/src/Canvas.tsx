import { useCallback, useContext, useEffect, useRef, useState } from "react";
import {
  Background, BackgroundVariant, Controls, MiniMap, Panel, ReactFlow, useNodesInitialized, useReactFlow,
  useStore as useFlowStore, type Connection, type FinalConnectionState, type IsValidConnection,
} from "@xyflow/react";
import { groupColor } from "./colors";
import { GAP, HEIGHT, sizeOf, WIDTH, type FEdge, type FNode } from "./graph";
import { onKey } from "./keys";
import { arrange } from "./layout";
import { Palette } from "./Palette";
import { Ctx, LayerNode, TensorEdge, useDoc } from "./parts";
import { Toolbar } from "./Toolbar";

const nodeTypes = { layer: LayerNode };
const edgeTypes = { tensor: TensorEdge };
// What fitting leaves free: the toolbar stands on top, or, with nothing to edit, one button at the left.
const FRAME = { top: "64px", left: "40px", right: "40px", bottom: "24px" } as const;
const VIEW_FRAME = { top: "16px", left: "72px", right: "32px", bottom: "44px" } as const;
const READABLE = 0.4, CLOSE = 0.65; // zoom
const spoken = {
  "node.a11yDescription.default": "Press Enter to select, C to connect, Delete to remove, arrow keys to move.",
  "node.a11yDescription.keyboardDisabled": "Press Enter to select.",
  "edge.a11yDescription.default": "Press Enter to select the wire, Delete to remove it.",
};

export function Canvas() {
  const { doc } = useContext(Ctx);
  const root = useRef<HTMLDivElement>(null);
  const [open, setOpen] = useState(false);
  const { fit, layout, turn } = useView(root);
  const { dropAt, append } = useAdding(root);
  const focus = () => root.current?.focus({ preventScroll: true });
  // Whatever is clicked, and whatever is deleted, the keyboard stays with the editor.
  const keepFocus = () => setTimeout(() => {
    const active = (root.current?.getRootNode() as ShadowRoot | null)?.activeElement;
    if (!active || !root.current!.contains(active)) focus();
  }, 0);
  const far = useFlowStore((s) => s.transform[2] < 0.35);
  const waiting = useSlow(useDoc((s) => s.waiting));
  const readonly = useDoc((s) => s.readonly);
  const close = (fn: () => void) => () => { fn(); setOpen(false); };
  return (
    <div className={`editor${far ? " far" : ""}${waiting ? " waiting" : ""}${readonly ? " view" : ""}`} ref={root} tabIndex={0} role="application"
      aria-label="Network editor" onKeyDown={(e) => onKey(doc, { layout, fit, focus }, e)}
      onPointerDown={keepFocus}>
      {!readonly && <Palette open={open} onDrop={(t, x, y) => close(() => dropAt(t, x, y))()} onPick={append} />}
      <Flow onPaneClick={() => setOpen(false)}>
        <Panel position="top-left"><Toolbar {...{ open, setOpen, layout, turn, fit }} /></Panel>
      </Flow>
      <Say />
    </div>
  );
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

function Flow({ children, onPaneClick }: { children: React.ReactNode; onPaneClick(): void }) {
  const { doc, live } = useContext(Ctx);
  const nodes = useDoc((s) => s.nodes), edges = useDoc((s) => s.edges), readonly = useDoc((s) => s.readonly);
  const onConnect = useCallback((c: Connection) => doc.connect(c.source, c.target, Number(c.targetHandle!.slice(2))), [doc]);
  const valid: IsValidConnection<FEdge> = useCallback((c) => !doc.refuse(c.source, c.target), [doc]);
  const explain = useCallback((_: unknown, c: FinalConnectionState) => {
    if (!c.toNode || !c.fromNode || c.isValid) return;
    const forward = c.fromHandle?.type === "source";
    const why = doc.refuse(...((forward ? [c.fromNode.id, c.toNode.id] : [c.toNode.id, c.fromNode.id]) as [string, string]));
    if (why) doc.say(why, true);
  }, [doc]);
  const legend = useCallback((el: HTMLDivElement | null) => live.setLegend(el), [live]);
  return (
    <ReactFlow<FNode, FEdge>
      nodes={nodes} edges={edges} nodeTypes={nodeTypes} edgeTypes={edgeTypes} ariaLabelConfig={spoken}
      onNodesChange={doc.onNodesChange} onEdgesChange={doc.onEdgesChange} onPaneClick={onPaneClick}
      onConnect={onConnect} onConnectEnd={explain} onClickConnectEnd={explain as never} isValidConnection={valid}
      connectionRadius={28} connectOnClick deleteKeyCode={null} selectionKeyCode="Shift" multiSelectionKeyCode={["Control", "Meta"]}
      onSelectionStart={() => { doc.boxing = true; }} onSelectionEnd={() => { doc.boxing = false; doc.reportSelection(); }}
      nodesDraggable={!readonly} nodesConnectable={!readonly} nodeDragThreshold={2}
      onlyRenderVisibleElements={nodes.length > 120} minZoom={0.1} maxZoom={2}
      snapToGrid snapGrid={[10, 10]} zoomOnDoubleClick={false} preventScrolling={!readonly} zoomOnScroll={!readonly}
    >
      <Background variant={BackgroundVariant.Dots} gap={20} size={1} />
      <Controls showInteractive={false} showFitView={false} />
      {!readonly && <MiniMap pannable zoomable nodeColor={(n) => groupColor(doc.palette, doc.specs.get((n as FNode).data.layer)?.group)} />}
      {children}
      <Panel position="bottom-center">
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

function useView(root: React.RefObject<HTMLDivElement | null>) {
  const { doc } = useContext(Ctx);
  const flow = useReactFlow<FNode, FEdge>();
  const fit = useCallback(() => {
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    void flow.fitView({ padding: doc.st.readonly ? VIEW_FRAME : FRAME, maxZoom: 1.15, duration: calm ? 0 : 200 });
  }, [doc, flow]);
  /** What a document is first seen as: whole, or, where that would be too small to read, from its beginning. */
  const open = useCallback(() => {
    const all = flow.getNodesBounds(doc.st.nodes), box = root.current!.querySelector(".react-flow")!;
    if (Math.min((box.clientWidth - 48) / all.width, (box.clientHeight - 88) / all.height) >= READABLE) return fit();
    void flow.setViewport({ x: 20 - all.x * CLOSE, y: 72 - all.y * CLOSE, zoom: CLOSE });
  }, [doc, fit, flow, root]);
  const layout = useCallback(() => {
    doc.place(arrange(doc.now, doc.st.dir));
    setTimeout(fit, 30);
  }, [doc, fit]);
  const turn = useCallback(() => { doc.s.setState({ dir: doc.st.dir === "LR" ? "TB" : "LR" }); layout(); }, [doc, layout]);
  useEffect(() => { doc.view = { fit, layout }; }, [doc, fit, layout]);
  const epoch = useDoc((s) => s.epoch), ready = useNodesInitialized();
  const fitted = useRef(""); // fit once per document, as soon as its nodes are measured
  useEffect(() => { if (ready && fitted.current !== epoch) { fitted.current = epoch; open(); } }, [ready, epoch, open]);
  return { fit, layout, turn };
}

function useAdding(root: React.RefObject<HTMLDivElement | null>) {
  const { doc } = useContext(Ctx);
  const flow = useReactFlow<FNode, FEdge>();
  const pane = useCallback(() => root.current!.querySelector(".react-flow")!.getBoundingClientRect(), [root]);
  /** A layer dropped on a wire is led into it. */
  const dropAt = useCallback((type: string, x: number, y: number) => {
    const box = pane();
    if (x < box.left || x > box.right || y < box.top || y > box.bottom) return;
    const under = (root.current!.getRootNode() as ShadowRoot).elementsFromPoint(x, y).map((el) => el.closest(".react-flow__edge"));
    const id = under.find((el) => el)?.getAttribute("data-id");
    const p = flow.screenToFlowPosition({ x, y });
    doc.add(type, { x: p.x - WIDTH / 2, y: p.y - HEIGHT / 2 }, doc.st.edges.find((e) => e.id === id) ?? null);
  }, [doc, flow, pane, root]);
  const append = useCallback((type: string) => {
    const { at, onto } = nextPlace(doc.st.nodes, doc.st.edges, doc.st.dir, (id) => doc.specOf(id)?.outputs !== 0);
    doc.add(type, at, onto);
    const box = pane(), mid = { x: at.x + WIDTH / 2, y: at.y + HEIGHT / 2 }, p = flow.flowToScreenPosition(mid);
    const seen = p.x > box.left + 40 && p.x < box.right - 90 && p.y > box.top + 40 && p.y < box.bottom - 40;
    if (!seen) setTimeout(() => void flow.setCenter(mid.x, mid.y, { duration: 150, zoom: flow.getZoom() }), 40);
  }, [doc, flow, pane]);
  return { dropAt, append };
}

/** Where a clicked layer goes: behind the selection (or what was added last), into the wire that leaves it if there is one. */
function nextPlace(nodes: FNode[], edges: FEdge[], dir: "LR" | "TB", feeds: (id: string) => boolean) {
  const anchor = nodes.filter((n) => n.selected).at(-1) ?? nodes.find((n) => !feeds(n.id)) ?? nodes.at(-1);
  if (!anchor) return { at: { x: 40, y: 80 }, onto: null };
  const wires = edges.filter((e) => (feeds(anchor.id) ? e.source : e.target) === anchor.id);
  const before = feeds(anchor.id) ? anchor : (nodes.find((n) => n.id === wires[0]?.source) ?? anchor);
  const { x, y } = before.position, { w, h } = sizeOf(before);
  const at = dir === "LR" ? { x: x + w + GAP, y } : { x, y: y + h + 48 };
  return { at, onto: wires.length === 1 ? wires[0] : feeds(anchor.id) ? anchor.id : null };
}
