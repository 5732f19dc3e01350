// Blocks: where one is, what a new one is called, and what can be done with the layers that are selected.
import { useContext, useState, type ReactNode } from "react";
import { toClipboard } from "./clip";
import { BLOCK } from "./graph";
import { Ctx, useDoc } from "./parts";
import type { Doc } from "./store";

/** The way from the whole network to the block that is open. */
export function Crumbs() {
  const { doc } = useContext(Ctx);
  const outer = useDoc((s) => s.outer);
  if (!outer.length) return null;
  const steps = [{ text: "Network", path: [] as string[] }, ...doc.crumbs()], here = steps.length - 1;
  return (
    <nav className="crumbs" aria-label="Open blocks">
      <ol>
        {steps.map(({ text, path }, i) => (
          <li key={path.join(".")}>
            {i === here ? <b aria-current="location">{text}</b> : <button type="button" onClick={() => doc.visit(path)}>{text}</button>}
          </li>
        ))}
      </ol>
    </nav>
  );
}

const LONGEST = 60; // characters of a name, as builder/reader.py allows more

/** Asks what the new block is called. */
export function NameBlock({ done }: { done(): void }) {
  const open = useDoc((s) => s.panel === "name");
  return open ? <Naming done={done} /> : null;
}
function Naming({ done }: { done(): void }) {
  const { doc } = useContext(Ctx);
  const [title, setTitle] = useState("");
  const close = () => { doc.s.setState({ panel: null }); done(); };
  const group = () => { close(); doc.group(title.trim()); };
  return (
    <form className="choice naming" aria-label="New block" onSubmit={(e) => { e.preventDefault(); group(); }}
      onKeyDown={(e) => { if (e.key === "Escape") { e.preventDefault(); close(); } }}
      onBlur={(e) => { if (!e.currentTarget.contains(e.relatedTarget)) close(); }}>
      <input autoFocus type="text" aria-label="Name of the block" placeholder="Name of the block" maxLength={LONGEST} value={title}
        onChange={(e) => setTitle(e.currentTarget.value)} />
      <button type="submit">Group</button>
    </form>
  );
}

/** What the menu of a layer offers for the selection. */
export function Actions({ done }: { done(): void }): ReactNode {
  const { doc } = useContext(Ctx);
  const block = useDoc((s) => s.nodes.find((n) => n.selected && n.data.layer === BLOCK)?.id);
  const acts: [string, () => void][] = [
    ...(block ? [["Open", () => doc.open(block)], ["Ungroup", () => doc.ungroup()]] as [string, () => void][] : []),
    ["Group", () => doc.s.setState({ panel: "name" })], ["Copy", () => copy(doc, false)], ["Cut", () => copy(doc, true)],
    ["Duplicate", () => doc.duplicate()], ["Delete", () => doc.deleteSelected()],
  ];
  return (
    <div className="acts" role="group" aria-label="Selection">
      {acts.map(([name, fn]) => <button key={name} type="button" onPointerDown={(e) => e.preventDefault()} onClick={() => { done(); fn(); }}>{name}</button>)}
    </div>
  );
}

export function copy(doc: Doc, cut: boolean) {
  const text = doc.copy(cut);
  if (text !== null) toClipboard(text);
}
