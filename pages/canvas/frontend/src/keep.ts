// Undo that outlives the page: the steps of a drawing in the browser's own storage (IndexedDB), by the network's id.
// A drawing comes back from the server; where it stands among the kept steps, it is given its past and its future back.
// Steps that the server never saw (it crashed) are then a redo away.
import { toFlow } from "./graph";
import { canonical, pathOf, visit, whole, type Snap } from "./levels";
import type { Graph } from "./types";

const MOST = 4_000_000, MOST_IN_ALL = 40_000_000; // characters of one drawing's steps, of all: the oldest give way
const PAUSE = 400; // ms after an edit until it is written: a burst of edits is one write
const LEFT = "layerloom-undo "; // what a page that went away had still to write: the database does not always take it then

interface Size { used: number; chars: number }
interface Line { at: number; steps: string[] } // steps in order, `at` is the present
const asPromise = <T>(r: IDBRequest<T>) => new Promise<T>((done, fail) => { r.onsuccess = () => done(r.result); r.onerror = () => fail(r.error); });

function storage(): Promise<IDBDatabase> {
  const request = indexedDB.open("layerloom-undo", 1);
  request.onupgradeneeded = () => { request.result.createObjectStore("lines"); request.result.createObjectStore("sizes"); };
  return asPromise(request);
}
const range = (net: string) => IDBKeyRange.bound([net], [net, []]); // every key [net, …]

export class Keeper {
  private line = ""; // the name of the line of steps that is written
  private db: IDBDatabase | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private due: (() => Line) | null = null; // until the database has it
  private texts = new WeakMap<Snap, string>();

  constructor(private net: string) {
    addEventListener("pagehide", this.leave);
  }
  stop() { this.flush(); this.db?.close(); removeEventListener("pagehide", this.leave); }

  /** The steps before and after `now`, if it is a step of a line that was kept; `resume` goes on with that line. */
  async read(now: Graph): Promise<{ line: string; past: Snap[]; future: Snap[] } | null> {
    this.line = crypto.getRandomValues(new Uint32Array(2)).join("-");
    try {
      const db = (this.db ??= await storage()), wanted = canonical(now);
      takeIn(db);
      const [keys, lines] = await Promise.all([
        asPromise(db.transaction("lines").objectStore("lines").getAllKeys(range(this.net))),
        asPromise<Line[]>(db.transaction("lines").objectStore("lines").getAll(range(this.net))),
      ]);
      void prune(db);
      for (const [i, { at, steps }] of lines.entries()) {
        const found = nearest(steps, at, wanted);
        if (found < 0) continue;
        const line = (keys[i] as string[])[1], snaps = steps.map((text) => this.parsed(text));
        return { line, past: snaps.slice(0, found), future: snaps.slice(found + 1).reverse() };
      }
    } catch { /* private windows have no storage: undo lives as long as the page */ }
    return null;
  }
  resume(line: string) { this.line = line; }
  /** Keeps `past`, `now` and `future` (the nearest step last), soon. */
  write(past: readonly Snap[], now: Snap, future: readonly Snap[]) {
    this.due = () => fitting([...past, now, ...[...future].reverse()].map((s) => this.text(s)), past.length);
    clearTimeout(this.timer);
    this.timer = setTimeout(this.flush, PAUSE);
  }
  private get key() { return [this.net, this.line]; }
  private flush = () => {
    clearTimeout(this.timer);
    const due = this.due;
    if (due && this.db) put(this.db, this.key, due(), () => { if (this.due === due) this.due = null; });
  };
  private leave = () => {
    if (!this.due) return;
    const line = this.due();
    try { localStorage.setItem(LEFT + JSON.stringify(this.key), JSON.stringify(line)); }
    catch { this.flush(); } // too long for it
  };

  private text(s: Snap): string {
    const text = this.texts.get(s) ?? JSON.stringify({ doc: whole(s), path: pathOf(s) });
    this.texts.set(s, text);
    return text;
  }
  private parsed(text: string): Snap {
    const { doc, path } = JSON.parse(text) as { doc: Graph; path: string[] };
    const snap = visit({ ...toFlow(doc), outer: [] }, path);
    this.texts.set(snap, text);
    return snap;
  }
}

function put(db: IDBDatabase, key: string[], line: Line, done = () => {}) {
  try {
    const change = db.transaction(["lines", "sizes"], "readwrite");
    change.objectStore("lines").put(line, key);
    change.objectStore("sizes").put({ used: Date.now(), chars: chars(line.steps) } satisfies Size, key);
    change.oncomplete = () => { localStorage.removeItem(LEFT + JSON.stringify(key)); done(); }; // what was left is older
    change.commit();
  } catch { /* private windows have no storage */ }
}
/** Writes what pages that went away left. */
function takeIn(db: IDBDatabase) {
  for (const name of Object.keys(localStorage).filter((n) => n.startsWith(LEFT)))
    put(db, JSON.parse(name.slice(LEFT.length)) as string[], JSON.parse(localStorage.getItem(name)!) as Line);
}

/** The step that is the drawing `wanted`, the one nearest to `at`; -1 if none is. */
function nearest(steps: string[], at: number, wanted: string): number {
  const order = steps.map((_, i) => i).sort((a, b) => Math.abs(a - at) - Math.abs(b - at));
  return order.find((i) => canonical((JSON.parse(steps[i]) as { doc: Graph }).doc) === wanted) ?? -1;
}
const chars = (steps: string[]) => steps.reduce((sum, s) => sum + s.length, 0);
/** As many steps around the present as there is room for; the farther end gives way first. */
function fitting(steps: string[], at: number): Line {
  let low = 0, high = steps.length, size = chars(steps);
  while (size > MOST && high - low > 1) size -= (at - low >= high - 1 - at ? steps[low++] : steps[--high]).length;
  return { at: at - low, steps: steps.slice(low, high) };
}
async function prune(db: IDBDatabase) {
  const store = () => db.transaction("sizes").objectStore("sizes");
  const [keys, sizes] = await Promise.all([asPromise(store().getAllKeys()), asPromise<Size[]>(store().getAll())]);
  let room = MOST_IN_ALL;
  for (const i of sizes.map((_, i) => i).sort((a, b) => sizes[b].used - sizes[a].used)) {
    room -= sizes[i].chars;
    if (room >= 0) continue;
    const change = db.transaction(["lines", "sizes"], "readwrite");
    for (const name of ["lines", "sizes"]) change.objectStore(name).delete(keys[i]);
  }
}
