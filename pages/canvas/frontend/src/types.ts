// The wire contract with pages/canvas/__init__.py and doc.py. Keep the two in step.

export type Params = Record<string, unknown>;
export interface Port { name: string; variadic: boolean }
export interface LayerSpec {
  type: string; title: string; group: string; help: string; keywords: string;
  summary: string;         // "{out_channels} channels, {kernel_size} × {kernel_size}"
  defaults: Params;
  ports: Port[];
  outputs: number;         // 0 or 1
  builtin?: boolean;       // a block that Python builds, `type` is its name
  never: Partial<Record<string, number[]>>; // per dtype the numbers of axes that it cannot take (builder/suggest.py)
}
/** `colors` per group; "" is the colour of what belongs to none. */
export interface Palette { groups: string[]; colors: Record<string, string>; layers: LayerSpec[]; block: LayerSpec }

/** `params` and `label` are left out where there are none; a block has an `inner` drawing. */
export interface GNode { id: string; type: string; params?: Params; label?: string; position: [number, number]; inner?: Graph }
export interface GEdge { source: string; target: string; port: number }
export interface GSticky { id: string; text: string; position: [number, number]; size: [number, number] }
export interface Graph { nodes: GNode[]; edges: GEdge[]; notes?: GSticky[] }

/** What is known of a node; see notes.py. `shape` is also what flows along its outgoing wires. */
export interface Note {
  shape?: string; dtype?: string; params?: string; cost?: string; error?: string; warn?: string; code?: string; fix?: string; at?: string; grey?: boolean;
}
/** Notes hold for the drawing at the browser's revision `rev` with Python's commands up to `seq`. */
export interface Notes {
  rev: number; seq: number; nodes: Record<string, Note>;
  next: Record<string, number>; lists: number[][]; // per node which of `lists`: places in the palette of what fits behind it
}

/** builder/edit.py */
export type Edit =
  | { op: "add_node"; node: GNode }
  | { op: "remove_node"; id: string }
  | { op: "add_note"; note: GSticky }
  | { op: "set_params"; id: string; params: Params }
  | { op: "set_label"; id: string; label: string }
  | { op: "inside"; id: string; edits: Edit[] }
  | { op: "connect" | "disconnect"; edge: GEdge };

/** Each is done once, in order of `seq`; the edits of one command are one undo step. */
export interface Command { seq: number; edits?: Edit[]; op?: "layout" | "fit" | "select" | "say" | "open"; ids?: string[]; text?: string }

export interface Data {
  lib: string;
  epoch: string;           // changes when Python replaces the whole document
  rev: number; seq: number; // of `doc`, which is read on mounting and when the epoch changes
  doc: Graph;
  cmds: Command[];
  notes: Notes;
  feed: string | null;     // id of the run whose live colours are shown
  preview: string | null;  // name of the preview whose pictures are shown
  undo: string | null;     // the name under which this browser keeps undo beyond the page; null: it does not
  readonly: boolean;
  height: number;
}

/** `open` is the path of the block that is open ("" for none); `selected` are paths, like the keys of the notes. */
export interface State extends Graph { epoch: string; rev: number; ack: number; selected: string[]; open: string }

/** What is asked of Python, which knows blocks: `at` is where on the canvas, `onto` what it is led into or fed by. */
export type Asked =
  | { do: "group"; ids: string[]; title: string }
  | { do: "ungroup"; id: string }
  | { do: "insert"; name: string; at: [number, number]; onto: GEdge | string | null };

/** What is seen of a node: `c` is 0 vanishing, 0.5 healthy, 1 exploding, null not known; `img` is a data URL. */
export interface Seen { c: number | null; t: string; img?: string | null; alt?: string }
/** The details of the events "layerloom:live" (a run) and "layerloom:preview" (one pass before training). */
export interface Live { run: string; nodes: Record<string, Seen> }
export interface Preview { feed: string; nodes: Record<string, Seen> }

/** The arguments that Streamlit hands to a component's default export. */
export interface Args<D> {
  data: D;
  parentElement: HTMLElement | ShadowRoot;
  setStateValue(name: string, value: unknown): void;
  setTriggerValue(name: string, value: unknown): void;
}
