// One editor's document: the browser owns the drawing, Python owns what it derives from it.
import { applyEdgeChanges, applyNodeChanges, type EdgeChange, type NodeChange } from "@xyflow/react";
import { createStore } from "zustand/vanilla";
import { align, type Alignment } from "./align";
import { asText, MAX_CHARS } from "./clip";
import * as net from "./graph";
import type { FEdge, FNode, Net, Point, Specs } from "./graph";
import * as levels from "./levels";
import type { Snap } from "./levels";
import { Keeper } from "./keep";
import { moved } from "./sequence";
import type { Asked, Command, Data, GEdge, LayerSpec, Note, Palette, State } from "./types";

/** The menu of what comes behind `from`: at px in the editor; `at` is where the wire was let go, null behind the layer. */
export interface Menu { from: string; x: number; y: number; at: Point | null; acts?: boolean } // acts: and what can be done with it

export interface Store extends Snap {
  at: string; // what the keys of the notes begin with: the path of the open block and a dot, or nothing
  notes: Record<string, Note>; waiting: boolean; // waiting: the notes are of an older drawing
  readonly: boolean; epoch: string; rev: number; ack: number;
  past: Snap[]; future: Snap[];
  connectFrom: string | null; dir: "LR" | "TB";
  next: Record<string, number>; lists: number[][];
  menu: Menu | null; panel: "find" | "keys" | "name" | null; stack: boolean; box: boolean; // box: dragging selects
  say: { text: string; refused: boolean };
}
const EMPTY: Store = {
  nodes: [], edges: [], outer: [], at: "", notes: {}, waiting: false, readonly: false, epoch: "", rev: 0, ack: 0, past: [], future: [],
  connectFrom: null, dir: "LR", say: { text: "", refused: false }, next: {}, lists: [], menu: null, panel: null, stack: false, box: false,
};

export class Doc {
  readonly s = createStore<Store>(() => EMPTY);
  readonly specs: Specs;
  send: (state: State) => void = () => {};
  fix: (node: string, code: string) => void = () => {};
  paste: (text: string, at: Point) => void = () => {};
  ask: (asked: Asked) => void = () => {};
  view = { layout: () => {}, fit: () => {}, chosen: () => {} }; // set by the Canvas, which knows sizes
  boxing = false; // a selection box is being drawn
  moving: FEdge | null = null; // the wire whose end is being dragged
  private before: Snap | null = null; // the drawing when the drag in progress began
  private keeper: Keeper | null = null;
  private keeping: string | null = null; // the name under which undo is kept
  private selectionSent = "";
  private held = false; // within receive: report once, at its end
  private due = false;

  constructor(readonly palette: Palette) {
    this.specs = new Map([...palette.layers, palette.block].map((l) => [l.type, l]));
  }
  get st() { return this.s.getState(); }
  get now(): Net { return levels.netOf(this.st); }
  get snap(): Snap { return { ...this.now, outer: this.st.outer }; }
  specOf(id: string) { return net.specOf(this.specs, this.st.nodes.find((n) => n.id === id)); }
  called(id: string) { return net.called(this.st.nodes.find((n) => n.id === id)); }
  /** What fits behind `id`, best first; all that has an input where its output is not known. */
  candidates(id: string): LayerSpec[] {
    const list = this.st.lists[this.st.next[this.st.at + id]];
    return list ? list.map((i) => this.palette.layers[i]) : this.palette.layers.filter((l) => l.ports.length);
  }
  toggle(what: "stack" | "box") { if (!this.st.readonly) this.s.setState({ [what]: !this.st[what], menu: null }); }
  openMenu(menu: Menu) {
    if (this.st.readonly || (!menu.acts && !this.specOf(menu.from)?.outputs)) return;
    if (menu.acts && !this.selected.some((n) => n.id === menu.from)) this.select([menu.from]);
    this.s.setState({ menu, panel: null });
  }
  get selected(): FNode[] { return this.st.nodes.filter((n) => n.selected); }
  say(text: string, refused = false) { this.s.setState({ say: { text, refused } }); }

  // ---- from Python
  receive(d: Data) {
    const leads = this.st.readonly && !d.readonly; // another tab led until now
    if (d.readonly !== this.st.readonly) this.s.setState({ readonly: d.readonly });
    if (d.undo !== this.keeping) this.keep(d.undo);
    if (d.epoch !== this.st.epoch) this.load(d);
    else if (leads) void this.remember();
    const rev = this.st.rev; // before Python's own edits
    this.held = true;
    for (const c of d.cmds.filter((c) => c.seq > this.st.ack)) this.command(c);
    this.held = false;
    if (this.due) this.report();
    if (d.notes.rev <= rev) {
      const notes = shared(this.st.notes, d.notes.nodes);
      this.s.setState({ notes, next: d.notes.next, lists: d.notes.lists, waiting: d.notes.rev < rev || d.notes.seq < this.st.ack });
    }
  }
  /** `doc` has every edit up to `seq` in it; only requests about the view are still to be done. */
  private load(d: Data) {
    const drawing = net.toFlow(d.doc);
    this.before = null;
    this.selectionSent = "";
    this.s.setState({ ...EMPTY, ...drawing, readonly: d.readonly, stack: this.st.stack, box: this.st.box, epoch: d.epoch, rev: d.rev, ack: d.seq, dir: direction(drawing) });
    for (const c of d.cmds) if (c.op) this.request(c);
    void this.remember();
  }
  private keep(name: string | null) {
    this.keeper?.stop();
    this.keeping = name;
    this.keeper = name === null ? null : new Keeper(name);
  }
  stop() { this.keep(null); }
  /** Past and future of this drawing, as this browser kept them. */
  private async remember() {
    const { epoch, rev, readonly } = this.st;
    const found = readonly ? null : await this.keeper?.read(levels.whole(this.snap));
    const same = this.st.epoch === epoch && this.st.rev === rev && !this.st.past.length && !this.st.future.length;
    if (!found || !same) return;
    this.keeper?.resume(found.line);
    this.s.setState({ past: found.past, future: found.future });
  }
  private command(c: Command) {
    this.s.setState({ ack: c.seq });
    if (c.op) { this.request(c); return this.report(); }
    const change = (s: Snap): Snap => { const now = levels.edited(s, c.edits!); return { ...now, ...net.settle(levels.netOf(now), fresh(s, now)) }; };
    if (this.before) { // mid-drag: the command is a step of its own, before the drag
      const was = this.before;
      this.before = change(was);
      if (levels.same(was, this.before)) return this.report();
      this.push(was);
      this.show(change(this.snap));
      this.commit();
    } else if (!this.step(change(this.snap), "")) this.report(); // Python waits for its number
  }
  private request(c: Command) {
    if (c.op === "select") { this.choose(c.ids!); setTimeout(() => this.view.chosen(), 60); } // when new nodes are placed
    else if (c.op === "open") this.show(levels.visit(this.snap, c.ids!));
    else if (c.op === "say") this.say(c.text!, true);
    else setTimeout(() => this.view[c.op as "layout" | "fit"](), 30); // when new nodes are measured
  }

  // ---- to Python
  private commit() {
    this.s.setState({ rev: this.st.rev + 1, waiting: true });
    if (!this.st.readonly) this.keeper?.write(this.st.past, this.snap, this.st.future);
    this.report();
  }
  private report() {
    this.due = this.held;
    if (this.held) return;
    const { epoch, rev, ack, at } = this.st;
    this.selectionSent = this.selection.join();
    this.send({ ...levels.whole(this.snap), epoch, rev, ack, selected: this.selection, open: at.slice(0, -1) });
  }
  private get selection() { return this.selected.map((n) => this.st.at + n.id); }
  reportSelection() {
    if (!this.boxing && this.selection.join() !== this.selectionSent) this.report();
  }

  // ---- edits
  /** One undo step. A change that changes nothing is none. */
  private edit(change: (n: Net) => Net, say: string) {
    this.step({ ...change(this.now), outer: this.st.outer }, say);
  }
  private step(to: Snap, say: string): boolean {
    const was = this.snap, now = levels.rewired(was, to);
    if (levels.same(was, now)) return false;
    this.push(was);
    this.show(now);
    this.say(say); // also instead of what was refused before
    this.commit();
    return true;
  }
  private push(was: Snap) { this.s.setState({ past: [...this.st.past, was], future: [] }); }
  private show(to: Snap) { this.s.setState({ ...to, at: levels.pathOf(to).map((id) => `${id}.`).join("") }); }

  /** Shows what is in the block at `path`; the empty path is the network itself. No edit, so no undo step. */
  visit(path: readonly string[]) {
    const from = levels.pathOf(this.st), to = levels.visit(this.snap, path);
    if (this.before || from.join() === levels.pathOf(to).join()) return;
    this.show({ ...to, nodes: net.select(to.nodes, new Set(to.outer.length < from.length ? [from[to.outer.length]] : [])) });
    this.s.setState({ menu: null, panel: null, connectFrom: null });
    const name = this.st.outer.at(-1);
    this.say(name ? `In ${this.crumbs().at(-1)!.text}. Escape leads out.` : "The whole network");
    this.report();
  }
  /** Goes to the layer at `path`, whatever block it is in. */
  reveal(path: string) { this.choose([path]); this.report(); }
  open(id: string) { if (this.isBlock(id)) this.visit([...levels.pathOf(this.st), id]); }
  leave() { this.visit(levels.pathOf(this.st).slice(0, -1)); }
  isBlock(id: string) { return this.st.nodes.some((n) => n.id === id && n.data.layer === net.BLOCK); }
  /** The blocks that are open, outermost first, with the path that leads to each. */
  crumbs() {
    return this.st.outer.map((f, i) => {
      const block = f.net.nodes.find((n) => n.id === f.id)!;
      return { text: net.called(block) + net.repeats(block), path: levels.pathOf(this.st).slice(0, i + 1) };
    });
  }
  group(title: string) {
    const ids = this.selected.filter((n) => n.type === "layer").map((n) => n.id);
    if (!this.st.readonly && ids.length) this.ask({ do: "group", ids, title });
  }
  ungroup() {
    const blocks = this.selected.filter((n) => n.data.layer === net.BLOCK);
    if (this.st.readonly) return;
    if (blocks.length !== 1) return this.say("Select one block to take it apart.", true);
    this.ask({ do: "ungroup", id: blocks[0].id });
  }

  undo(redo = false) {
    const { past, future, readonly } = this.st;
    const to = (redo ? future : past).at(-1);
    if (!to || readonly || this.before) return;
    const here = levels.visit(this.snap, levels.pathOf(to)); // so that going back shows the same place
    this.show(measured(to, here));
    this.s.setState({
      past: redo ? [...past, here] : past.slice(0, -1), future: redo ? future.slice(0, -1) : [...future, here],
      say: { text: redo ? "Redone" : "Undone", refused: false },
    });
    this.commit();
  }

  /** Adds a layer; `onto` is the wire it is led into, or the layer that feeds it. A built-in block comes from Python. */
  add(type: string, at: Point, onto: FEdge | string | null): string {
    const spec = this.specs.get(type)!;
    if (spec.builtin) {
      this.ask({ do: "insert", name: type, at: [Math.round(at.x), Math.round(at.y)], onto: onto && typeof onto !== "string" ? net.wireOf(onto) : onto });
      return "";
    }
    const id = net.freshId(type, this.usedIds());
    const position: [number, number] = [Math.round(at.x), Math.round(at.y)];
    const node = { ...net.flowNode({ id, type, params: {}, label: "", position }), selected: true };
    this.edit((n) => {
      const added = { nodes: [...net.select(n.nodes, new Set()), node], edges: n.edges };
      if (!onto || !spec.ports.length) return added;
      if (typeof onto === "string") return net.connect(added, { source: onto, target: id, port: 0 });
      return spec.outputs ? net.insert(added, onto, id) : added;
    }, `${spec.title} added`);
    return id;
  }
  private usedIds(): Set<string> {
    return new Set([this.now, ...this.st.past, ...this.st.future].flatMap((n) => n.nodes.map((m) => m.id)));
  }

  /** Why this connection cannot be, in words, or null. */
  refuse(source: string, target: string): string | null {
    const rest = this.moving ? net.disconnect(this.now, new Set([this.moving.id])) : this.now;
    return net.refuse(rest, this.specs, source, target) ?? this.misfit(source, target);
  }
  /** What no setting and no offered cure can make fit. The shape of an Input can still be set, so it may feed anything. */
  private misfit(source: string, target: string): string | null {
    const { shape, dtype = "float32" } = this.st.notes[this.st.at + source] ?? {};
    if (!shape || this.st.waiting || !this.specOf(source)?.ports.length) return null;
    const axes = shape === "scalar" ? 0 : shape.split(" × ").length;
    if (!this.specOf(target)?.never[dtype]?.includes(axes)) return null;
    return `${this.called(target)} cannot take ${shape} from ${this.called(source)}. Put a layer between them that changes the axes, such as Flatten or Reshape.`;
  }
  /** Leads the wire `old` from `source` to `target` instead. */
  reconnect(old: FEdge, source: string, target: string, port: number) {
    const why = this.refuse(source, target);
    if (why) return this.say(why, true);
    const wire: GEdge = { source, target, port };
    if (net.flowEdge(wire).id === old.id) return;
    this.edit((n) => net.connect(net.disconnect(n, new Set([old.id])), wire), `${this.called(source)} feeds ${this.called(target)}`);
  }
  /** `port` null takes the first free input, or the last one. */
  connect(source: string, target: string, port: number | null) {
    if (this.st.readonly) return;
    const why = this.refuse(source, target);
    if (why) return this.say(why, true);
    const wire: GEdge = { source, target, port: port ?? net.freePort(this.now, this.specs, target) };
    const old = this.st.edges.find((e) => e.target === target && net.portOf(e) === wire.port);
    if (old?.source === source) return;
    const instead = old ? `, in the place of ${this.called(old.source)}` : "";
    this.edit((n) => net.connect(n, wire), `${this.called(source)} feeds ${this.called(target)}${instead}`);
  }
  deleteSelected() {
    const wires = new Set(this.st.edges.filter((e) => e.selected).map((e) => e.id)), nodes = this.selected;
    if (this.st.readonly || !(wires.size + nodes.length)) return;
    const what = nodes.length ? nodes.map(net.called).slice(0, 3).join(", ") : "Wire";
    this.edit((n) => nodes.reduce((m, x) => net.heal(m, x.id), net.disconnect(n, wires)), `${what} deleted`);
  }
  duplicate() {
    if (this.st.readonly || !this.selected.length) return;
    this.edit((n) => net.duplicate(n, this.selected, this.usedIds()), "Duplicated");
  }
  /** The selection as text, or null. With `cut` it is then deleted. */
  copy(cut: boolean): string | null {
    const { selected } = this;
    if (!selected.length || (cut && this.st.readonly)) return null;
    const text = asText(this.now, selected);
    if (cut) this.deleteSelected();
    else this.say(`${selected.length} copied`);
    return text;
  }
  /** Python reads what is pasted, with the distrust that any file meets. */
  pasteText(text: string, at: Point) {
    if (this.st.readonly || !text.trim()) return;
    if (text.length > MAX_CHARS) return this.say("That text is too long to be a network. Copy layers here or in another tab first.", true);
    this.paste(text, at);
  }
  addNote(at: Point): string {
    const id = net.freshId("note", this.usedIds()), free = net.freePlace(this.now, at, 200, 90);
    const note = { ...net.flowSticky({ id, text: "", position: [free.x, free.y], size: [200, 90] }), selected: true };
    if (!this.st.readonly) this.edit((n) => ({ nodes: [...net.select(n.nodes, new Set()), note], edges: n.edges }), "Note added");
    return id;
  }
  /** A new name for a layer, or a new text on a note. */
  relabel(id: string, label: string) {
    const same = this.st.nodes.some((n) => n.id === id && n.data.label === label);
    if (!same && !this.st.readonly) this.edit((n) => net.apply(n, { op: "set_label", id, label }), "");
  }
  /** Moves a link of a chain one place earlier or later. */
  shift(id: string, by: -1 | 1) {
    if (!this.st.readonly) this.edit((n) => moved(n, id, by) ?? n, `${this.called(id)} moved ${by < 0 ? "up" : "down"}`);
  }
  align(how: Alignment) { this.place(align(this.selected, how), "Aligned"); }
  place(at: Map<string, Point>, say = "Arranged") {
    const moved = (n: FNode) => { const p = at.get(n.id); return p && (p.x !== n.position.x || p.y !== n.position.y); };
    if (!this.st.readonly && this.st.nodes.some(moved)) {
      this.edit((n) => ({ ...n, nodes: n.nodes.map((m) => (moved(m) ? { ...m, position: at.get(m.id)! } : m)) }), say);
    }
  }
  select(ids: Iterable<string>) {
    this.s.setState({ nodes: net.select(this.st.nodes, new Set(ids)) });
    this.reportSelection();
  }
  /** Shows and selects what Python calls by its path. */
  private choose(paths: string[]) {
    const [first = "", names] = [paths[0], new Set(paths.map((p) => p.slice(p.lastIndexOf(".") + 1)))];
    const to = paths.length ? levels.visit(this.snap, first.split(".").slice(0, -1)) : this.snap;
    this.show({ ...to, nodes: net.select(to.nodes, names) });
  }
  selectAll() { this.select(this.st.nodes.map((n) => n.id)); }

  // ---- React Flow's own changes: drag, measure, select
  onNodesChange = (changes: NodeChange<FNode>[]) => {
    const was = this.snap;
    this.s.setState({ nodes: applyNodeChanges(changes.filter((c) => c.type !== "remove"), was.nodes) });
    const positions = changes.filter((c) => c.type === "position");
    if (positions.some((c) => c.dragging)) this.before ??= was;
    else if (positions.length) this.dropped(this.before ?? was);
    const sizes = changes.filter((c) => c.type === "dimensions" && c.resizing !== undefined); // a note's corner is dragged
    if (sizes.some((c) => c.type === "dimensions" && c.resizing)) this.before ??= was;
    else if (sizes.length) this.dropped(this.before ?? was);
    if (changes.some((c) => c.type === "select")) queueMicrotask(() => this.reportSelection());
  };
  private dropped(from: Snap) {
    this.before = null;
    if (levels.same(from, this.snap)) return;
    this.push(from);
    this.commit();
  }
  /** No button is held any more: a drag whose end was never told (its node went away, the window lost the mouse) is over. */
  letGo = () => { if (this.before) this.dropped(this.before); };
  onEdgesChange = (changes: EdgeChange<FEdge>[]) =>
    this.s.setState({ edges: applyEdgeChanges(changes.filter((c) => c.type !== "remove"), this.st.edges) });
}

/** Keeps the old object of every note that says the same, so that only nodes with news are drawn again. */
function shared(old: Record<string, Note>, now: Record<string, Note>): Record<string, Note> {
  const keys = ["shape", "dtype", "params", "cost", "error", "warn", "code", "fix", "at", "grey"] as const;
  return Object.fromEntries(Object.entries(now).map(([id, n]) => {
    const o = old[id];
    return [id, o && keys.every((k) => o[k] === n[k]) ? o : n];
  }));
}
/** A drawing from the history, with the sizes that are known by now: React Flow hides what has none. */
function measured(to: Snap, here: Net): Snap {
  const size = new Map(here.nodes.map((n) => [n.id, n.measured]));
  return { ...to, nodes: to.nodes.map((n) => (n.measured || !size.get(n.id) ? n : { ...n, measured: size.get(n.id) })) };
}
/** Ids of the nodes that an edit has brought to what is seen. */
function fresh(was: Snap, now: Snap): Set<string> {
  const old = new Set(was.nodes.map((n) => n.id));
  return new Set(was.outer.length === now.outer.length ? now.nodes.map((n) => n.id).filter((id) => !old.has(id)) : []);
}
/** Ports stand left and right, or top and bottom where the wires mostly run down. */
function direction({ nodes, edges }: Net): "LR" | "TB" {
  const at = new Map(nodes.map((n) => [n.id, n.position]));
  let across = 0, down = 0;
  for (const e of edges) {
    const a = at.get(e.source), b = at.get(e.target);
    if (a && b) { across += Math.abs(b.x - a.x); down += Math.abs(b.y - a.y); }
  }
  return down > across ? "TB" : "LR";
}
