import { useContext, type ReactNode } from "react";
import { copy } from "./Blocks";
import { Ctx, useDoc } from "./parts";

const PATHS = {
  layers: "M8 2 14 5.5 8 9 2 5.5ZM2 9l6 3.5L14 9",
  undo: "M6 3 2.5 6.5 6 10M3 6.5h6.5a3.5 3.5 0 0 1 0 7H7",
  redo: "m10 3 3.5 3.5L10 10M13 6.5H6.5a3.5 3.5 0 0 0 0 7H9",
  delete: "M3 4.5h10M6.5 4.5v-2h3v2M4.5 4.5l.6 9h5.8l.6-9M6.8 7v4M9.2 7v4",
  duplicate: "M2.5 2.5h7.5v7.5h-7.5ZM13.5 5.5v8h-8M6.25 4.5v3.5M4.5 6.25h3.5",
  copy: "M6 5.5h7v8H6ZM4 10.5H2.5v-8h7V4",
  paste: "M5.5 3.5h-2v10h9v-10h-2M5.5 2.5h5v2.5h-5Z",
  group: "M2.5 2.5h11v11h-11ZM5 5.5h2.5V8H5ZM8.5 8.5H11V11H8.5Z",
  layout: "M2 6.5h4v3H2ZM10 2h4v3h-4ZM10 11h4v3h-4ZM6 8h2M10 3.5H8v9h2",
  turn: "M3 3v8.5h8.5M9 9l2.5 2.5L9 14M7 3h6v5",
  fit: "M2 6V2h4M10 2h4v4M14 10v4h-4M6 14H2v-4",
  find: "M7 2.5a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9M10.3 10.3 14 14",
  note: "M3 2.5h10v7L9.5 13H3ZM13 9.5H9.5V13",
  box: "M2.5 5V2.5H5M7 2.5h2M11 2.5h2.5V5M13.5 7v2M13.5 11v2.5H11M9 13.5H7M5 13.5H2.5V11M2.5 9V7",
  stack: "M3 3h10v3H3ZM3 8h10v3H3ZM3 14h10",
  keys: "M5.5 6a2.5 2.5 0 1 1 3.6 2.2C8.3 8.7 8 9.2 8 10M8 12.8v.2",
  left: "M2.5 2v12M5 4h8v2.5H5ZM5 9.5h5V12H5Z",
  top: "M2 2.5h12M4 5h2.5v8H4ZM9.5 5H12v5H9.5Z",
  spread: "M2.5 2v12M13.5 2v12M6.5 5h3v6h-3Z",
};
function Icon({ name }: { name: keyof typeof PATHS }): ReactNode {
  return <svg viewBox="0 0 16 16" aria-hidden="true"><path d={PATHS[name]} /></svg>;
}

/** Not `disabled`: that would drop the keyboard's focus, and with it the next Ctrl+Z. */
const when = (on: boolean, fn: () => void) => ({ "aria-disabled": !on, onClick: () => { if (on) fn(); } });

interface Props { open: boolean; setOpen(open: boolean): void; layout(): void; turn(): void; fit(): void; note(): void; paste(): void; stack: boolean }
export function Toolbar({ open, setOpen, layout, turn, fit, note, paste, stack }: Props) {
  const { doc } = useContext(Ctx);
  const readonly = useDoc((s) => s.readonly);
  const undo = useDoc((s) => s.past.length > 0), redo = useDoc((s) => s.future.length > 0);
  const picked = useDoc((s) => s.nodes.some((n) => n.selected));
  const chosen = useDoc((s) => s.edges.some((e) => e.selected)) || picked;
  const some = useDoc((s) => s.nodes.length > 0);
  const lr = useDoc((s) => s.dir === "LR"), box = useDoc((s) => s.box);
  const several = useDoc((s) => s.nodes.filter((n) => n.selected).length > 1);
  const edits = [
    ["undo", "Undo", "Ctrl+Z", undo, () => doc.undo()], ["redo", "Redo", "Ctrl+Y", redo, () => doc.undo(true)],
    ["delete", "Delete", "Delete", chosen, () => doc.deleteSelected()], ["duplicate", "Duplicate", "Ctrl+D", picked, () => doc.duplicate()],
    ["copy", "Copy", "Ctrl+C", picked, () => copy(doc, false)], ["paste", "Paste", "Ctrl+V", true, paste],
    ["group", "Group into a block", "Ctrl+G", picked, () => doc.s.setState({ panel: "name" })],
  ] as const;
  const drawing = [
    ["layout", "Auto-layout", "L", some, layout], ["turn", lr ? "Lay out downwards" : "Lay out rightwards", "", some, turn],
    ["note", "New note", "N", true, note],
  ] as const;
  const lines = [
    ["left", "Align left", "", several, () => doc.align("left")], ["top", "Align top", "", several, () => doc.align("top")],
    ["spread", "Distribute evenly", "", several, () => doc.align("spread")],
  ] as const;
  const modes = [["box", "Select by box", "B", box], ["stack", "Stack", "S", stack]] as const;
  return (
    <div className="bar" role="toolbar" aria-label="Edit">
      {!readonly && <button type="button" className="opener" aria-label="Layers" title="Layers" aria-expanded={open} aria-controls="layers"
        onClick={() => setOpen(!open)}><Icon name="layers" /> Layers</button>}
      {!readonly && [...edits, ...(stack ? [] : drawing), ...(several && !stack ? lines : [])].map(([icon, name, key, on, fn]) => (
        <button key={icon} type="button" aria-label={name} title={key ? `${name} (${key})` : name} {...when(on, fn)}><Icon name={icon} /></button>
      ))}
      {!stack && <button type="button" aria-label="Fit view" title="Fit view (F)" {...when(some, () => fit())}><Icon name="fit" /></button>}
      {!readonly && modes.filter(([icon]) => !(stack && icon === "box")).map(([icon, name, key, on]) => (
        <button key={icon} type="button" aria-label={name} aria-pressed={on} title={`${name} (${key})`} onClick={() => doc.toggle(icon)}><Icon name={icon} /></button>
      ))}
      <button type="button" aria-label="Find" title="Find a layer (Ctrl+F)" {...when(some, () => doc.s.setState({ panel: "find" }))}><Icon name="find" /></button>
      {!readonly && <button type="button" aria-label="Shortcuts" title="Shortcuts (?)" onClick={() => doc.s.setState({ panel: "keys" })}><Icon name="keys" /></button>}
    </div>
  );
}
