// Adding a layer: at a place, into a wire, behind the selection, or at the end of a wire drawn into the open.
import { useCallback, useContext, type RefObject } from "react";
import { useReactFlow } from "@xyflow/react";
import { GAP, HEIGHT, sizeOf, WIDTH, type FEdge, type FNode, type Point } from "./graph";
import { Ctx } from "./parts";
import { focusNode } from "./view";

const PORT = 34; // px from the top of a layer to its ports

interface View { pane(): Element | null; reveal(at: Point): void }

export function useAdding(root: RefObject<HTMLDivElement | null>, { pane, reveal }: View) {
  const { doc } = useContext(Ctx);
  const flow = useReactFlow<FNode, FEdge>();
  /** A layer dropped on a wire is led into it. */
  const dropAt = useCallback((type: string, x: number, y: number) => {
    const box = pane()?.getBoundingClientRect();
    if (!box || x < box.left || x > box.right || y < box.top || y > box.bottom) return;
    const under = (root.current!.getRootNode() as ShadowRoot).elementsFromPoint(x, y).map((el) => el.closest(".react-flow__edge"));
    const id = under.find((el) => el)?.getAttribute("data-id");
    const p = flow.screenToFlowPosition({ x, y });
    doc.add(type, { x: p.x - WIDTH / 2, y: p.y - HEIGHT / 2 }, doc.st.edges.find((e) => e.id === id) ?? null);
  }, [doc, flow, pane, root]);
  const append = useCallback((type: string): string => {
    const layers = doc.st.nodes.filter((n) => n.type === "layer");
    const { at, onto } = nextPlace(layers, doc.st.edges, doc.st.dir, (id) => doc.specOf(id)?.outputs !== 0);
    const id = doc.add(type, at, onto);
    if (id) reveal({ x: at.x + WIDTH / 2, y: at.y + HEIGHT / 2 });
    return id;
  }, [doc, reveal]);
  /** What the menu of what comes next does with its choice. */
  const follow = useCallback((from: string, type: string, at: Point | null) => {
    if (!at) doc.select([from]);
    const up = doc.st.dir === "LR" ? { x: 0, y: PORT } : { x: WIDTH / 2, y: 0 };
    focusNode(root.current!, at ? doc.add(type, { x: at.x - up.x, y: at.y - up.y }, from) : append(type));
  }, [append, doc, root]);
  return { dropAt, append, follow };
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
