// A field with a list under it, worked by mouse, finger or keyboard (the combobox pattern of WAI-ARIA 1.2).
import { useEffect, useRef, useState, type CSSProperties, type KeyboardEvent, type ReactNode } from "react";

export interface Item { id: string; text: string; aside?: string; style?: CSSProperties }
interface Props {
  label: string; placeholder: string; empty: ReactNode; style?: CSSProperties; className: string;
  search(query: string): Item[]; onPick(id: string): void; onClose(): void; children?: ReactNode;
}

export function Choice({ label, placeholder, empty, style, className, search, onPick, onClose, children }: Props) {
  const [query, setQuery] = useState(""), [at, setAt] = useState(0);
  const field = useRef<HTMLInputElement>(null), list = useRef<HTMLUListElement>(null);
  const items = search(query);
  useEffect(() => { field.current?.focus({ preventScroll: true }); }, []);
  useEffect(() => { list.current?.querySelector("[aria-selected=true]")?.scrollIntoView({ block: "nearest" }); }, [at]);
  const pick = (item: Item | undefined) => { if (item) { onClose(); onPick(item.id); } };
  const keys: Record<string, () => void> = {
    ArrowDown: () => setAt((at + 1) % Math.max(1, items.length)),
    ArrowUp: () => setAt((at + items.length - 1) % Math.max(1, items.length)),
    Enter: () => pick(items[at]), Escape: onClose, Tab: onClose,
  };
  const onKeyDown = (e: KeyboardEvent) => { const act = keys[e.key]; if (act) { e.preventDefault(); act(); } };
  return (
    <div className={`choice ${className}`} style={style} onBlur={(e) => { if (!e.currentTarget.contains(e.relatedTarget)) onClose(); }}>
      {children}
      <input ref={field} type="text" role="combobox" aria-expanded="true" aria-controls="choices" aria-label={label} placeholder={placeholder}
        aria-activedescendant={items[at] && `choice-${at}`} autoComplete="off" spellCheck={false} value={query} onKeyDown={onKeyDown}
        onChange={(e) => { setQuery(e.currentTarget.value); setAt(0); }} />
      <ul ref={list} id="choices" role="listbox" aria-label={label}>
        {items.map((item, i) => (
          <li key={item.id} id={`choice-${i}`} role="option" aria-selected={i === at} style={item.style}
            onPointerDown={(e) => e.preventDefault()} onPointerMove={() => setAt(i)} onClick={() => pick(item)}>
            <span>{item.text}</span>{item.aside && <span className="id">{item.aside}</span>}
          </li>
        ))}
      </ul>
      {!items.length && <p className="none">{empty}</p>}
    </div>
  );
}
