// A note that is stuck on the canvas: text for readers, no part of the network.
import { memo, useContext, useEffect, useState } from "react";
import { NodeResizeControl, type NodeProps } from "@xyflow/react";
import type { FNode } from "./graph";
import { Ctx, useDoc } from "./parts";

const LONGEST = 2000; // characters, as builder/reader.py allows

export const Sticky = memo(function Sticky({ id, data, selected }: NodeProps<FNode>) {
  const { doc } = useContext(Ctx);
  const readonly = useDoc((s) => s.readonly);
  const [text, setText] = useState(data.label);
  useEffect(() => setText(data.label), [data.label]);
  return (
    <div className={`sticky${selected ? " sel" : ""}`}>
      <div className="grip">Note</div>
      <textarea className="nodrag nopan nowheel" aria-label="Text of the note" placeholder="Write here" value={text} readOnly={readonly} maxLength={LONGEST}
        onChange={(e) => setText(e.currentTarget.value)} onBlur={() => doc.relabel(id, text)}
        onKeyDown={(e) => { if (e.key === "Escape") e.currentTarget.closest<HTMLElement>(".react-flow__node")!.focus(); }} />
      {!readonly && <NodeResizeControl position="bottom-right" minWidth={100} minHeight={60} className="corner" />}
    </div>
  );
});
