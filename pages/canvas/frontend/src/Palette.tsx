// The layers to choose from: search, click to append, drag to place. Pointer events, so that touch and pen work too.
import { useContext, useMemo, useRef, useState, type KeyboardEvent, type PointerEvent } from "react";
import { groupColor } from "./colors";
import { distance, found } from "./menus";
import { Ctx, tone } from "./parts";
import type { LayerSpec } from "./types";

const FAR = 6; // px until a press becomes a drag
interface Props { open: boolean; onPick(type: string): void; onDrop(type: string, x: number, y: number): void }

export function Palette({ open, onPick, onDrop }: Props) {
  const { doc } = useContext(Ctx);
  const [query, setQuery] = useState("");
  const { ghost, press } = useDragOut(onPick, onDrop);
  const groups = useMemo(() => search(doc.palette.layers, doc.palette.groups, query), [doc, query]);
  const first = groups[0]?.[1][0];
  return (
    <div id="layers" className={`palette${open ? " open" : ""}${ghost ? " dragging" : ""}`} role="region" aria-label="Layers">
      <input type="search" placeholder="Search layers" aria-label="Search layers" value={query}
        onChange={(e) => setQuery(e.currentTarget.value)}
        onKeyDown={(e) => { if (e.key === "Enter" && first) { onPick(first.type); setQuery(""); } else if (e.key === "ArrowDown") step(e, 1); }} />
      <div className="scroll" onKeyDown={(e) => { if (e.key === "ArrowDown") step(e, 1); else if (e.key === "ArrowUp") step(e, -1); }}>
        {groups.map(([group, layers]) => (
          <div key={group} role="group" aria-label={group}>
            <div className="grp">{group}</div>
            {layers.map((l) => (
              <button key={l.type} type="button" title={l.help} aria-label={`Add ${l.title}`} tabIndex={l === first ? 0 : -1}
                style={tone(groupColor(doc.palette, group))} {...press(l)}>{l.title}</button>
            ))}
          </div>
        ))}
        {!groups.length && <p className="none">No layer is called “{query}”.</p>}
      </div>
      {ghost && <div className="ghost" style={{ left: ghost.x, top: ghost.y, ...tone(groupColor(doc.palette, ghost.layer.group)) }}>{ghost.layer.title}</div>}
    </div>
  );
}

/** One stop for Tab, arrows within: a hundred layers are not a hundred stops. */
function step(e: KeyboardEvent<HTMLElement>, by: 1 | -1) {
  const palette = e.currentTarget.closest(".palette")!, all = [...palette.querySelectorAll<HTMLElement>("input, button")];
  e.preventDefault();
  all[all.indexOf(e.target as HTMLElement) + by]?.focus();
}

function search(layers: LayerSpec[], order: string[], query: string): [string, LayerSpec[]][] {
  const groups = order.map((g): [string, LayerSpec[]] => [g, found(layers.filter((l) => l.group === g), query)]).filter(([, ls]) => ls.length);
  return query.trim() ? groups.sort(([, a], [, b]) => distance(a[0], query) - distance(b[0], query)) : groups;
}

interface Drag { layer: LayerSpec; x: number; y: number }
/** Handlers that tell a click (append) from a drag (place), and the label that follows the pointer. */
function useDragOut(onPick: Props["onPick"], onDrop: Props["onDrop"]) {
  const from = useRef<Drag | null>(null), dragged = useRef(false);
  const [ghost, setGhost] = useState<Drag | null>(null);
  const end = () => { from.current = null; setGhost(null); };
  const press = (layer: LayerSpec) => ({
    onPointerDown: (e: PointerEvent<HTMLButtonElement>) => {
      dragged.current = false;
      if (e.button !== 0) return;
      e.currentTarget.setPointerCapture(e.pointerId);
      from.current = { layer, x: e.clientX, y: e.clientY };
    },
    onPointerMove: (e: PointerEvent) => {
      const d = from.current;
      if (!d) return;
      dragged.current ||= Math.hypot(e.clientX - d.x, e.clientY - d.y) > FAR;
      if (dragged.current) setGhost({ layer, x: e.clientX, y: e.clientY });
    },
    onPointerUp: (e: PointerEvent) => { if (from.current && dragged.current) onDrop(layer.type, e.clientX, e.clientY); end(); },
    onPointerCancel: end,
    onClick: () => { if (!dragged.current) onPick(layer.type); dragged.current = false; },
  });
  return { ghost, press };
}
