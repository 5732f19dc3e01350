/** Numbers kept per cell: enough for a chart of a few hundred points, whatever the length of the run. */
const CELLS = 150_000;

export interface Line {
  x: number[];
  y: number[];
}

/**
 * Several columns over one growing axis, in bounded memory. When the rows are full, neighbours are merged in
 * pairs, and from then on each row takes in twice as many values. A row keeps, for each column, its lowest and
 * highest value and where they were, so no spike, no first and no last value is ever lost.
 */
export class Series {
  n = 0;
  last = -Infinity;
  private readonly cap: number;
  private stride = 1; // values that go into one row
  private filled = 0; // and are in the last one
  private readonly start: Float64Array;
  private readonly lo: Float64Array[];
  private readonly hi: Float64Array[];
  private readonly loAt: Float64Array[];
  private readonly hiAt: Float64Array[];
  private readonly oldest: Float64Array; // of each column, with where it was measured: a line never goes beyond
  private readonly oldestAt: Float64Array;
  private readonly newest: Float64Array;
  private readonly newestAt: Float64Array;

  constructor(readonly columns: number, cap = Math.max(256, Math.min(2048, Math.floor(CELLS / columns)))) {
    this.cap = cap - (cap % 2);
    const make = () => Array.from({ length: columns }, () => new Float64Array(this.cap));
    this.start = new Float64Array(this.cap);
    const none = () => new Float64Array(columns).fill(NaN);
    [this.oldest, this.oldestAt, this.newest, this.newestAt] = [none(), none(), none(), none()];
    [this.lo, this.hi, this.loAt, this.hiAt] = [make(), make(), make(), make()];
  }

  /** Appends a row; one that is not later than the last is left out (it was seen before). */
  push(x: number, values: (number | null | undefined)[]): void {
    if (x <= this.last) return;
    const fresh = this.n === 0 || this.filled >= this.stride;
    if (fresh && this.n === this.cap) this.halve();
    const i = fresh ? this.n++ : this.n - 1;
    this.filled = fresh ? 1 : this.filled + 1;
    if (fresh) this.start[i] = x;
    this.last = x;
    for (let j = 0; j < this.columns; j++) {
      const v = values[j] ?? NaN;
      if (!Number.isNaN(v)) this.measured(j, v, x);
      if (fresh || !(this.lo[j]![i]! <= v)) this.put(this.lo[j]!, this.loAt[j]!, i, v, x, fresh);
      if (fresh || !(this.hi[j]![i]! >= v)) this.put(this.hi[j]!, this.hiAt[j]!, i, v, x, fresh);
    }
  }

  private measured(j: number, v: number, x: number): void {
    if (Number.isNaN(this.oldest[j]!)) [this.oldest[j], this.oldestAt[j]] = [v, x];
    [this.newest[j], this.newestAt[j]] = [v, x];
  }

  private put(values: Float64Array, places: Float64Array, i: number, v: number, x: number, fresh: boolean): void {
    if (!fresh && Number.isNaN(v)) return;
    [values[i], places[i]] = [v, x];
  }

  /** Newest value of column `j`. */
  latest(j: number): number {
    return this.newest[j]!;
  }

  /** Forgets what came after `x`: a continued run goes on from its checkpoint. */
  truncate(x: number): void {
    while (this.n && this.start[this.n - 1]! > x) this.n--;
    this.filled = this.stride;
    this.last = Math.min(this.last, x);
    for (let j = 0; j < this.columns; j++) this.forget(j, x);
  }

  /** Of column `j`: a row that began before `x` may hold an extreme from after it, and the newest value is another now. */
  private forget(j: number, x: number): void {
    const [lo, hi, loAt, hiAt] = [this.lo[j]!, this.hi[j]!, this.loAt[j]!, this.hiAt[j]!];
    const i = this.n - 1;
    if (i >= 0 && loAt[i]! > x) [lo[i], loAt[i]] = hiAt[i]! > x ? [NaN, x] : [hi[i]!, hiAt[i]!];
    if (i >= 0 && hiAt[i]! > x) [hi[i], hiAt[i]] = [lo[i]!, loAt[i]!];
    if (!(this.newestAt[j]! > x)) return;
    let k = i;
    while (k >= 0 && Number.isNaN(lo[k]!)) k--;
    const later = k >= 0 && hiAt[k]! > loAt[k]!;
    [this.newest[j], this.newestAt[j]] = k < 0 ? [NaN, NaN] : later ? [hi[k]!, hiAt[k]!] : [lo[k]!, loAt[k]!];
    if (k < 0) this.oldest[j] = NaN;
  }

  /** Column `j` over [from, to] in at most `most` points, lowest and highest of each part at their own place. */
  line(j: number, most: number, from = -Infinity, to = Infinity): Line {
    const [a, b] = this.rows(from, to);
    const out: Line = { x: [], y: [] };
    for (const [s, e] of this.parts(a, b, (most - 2) >> 1)) this.part(j, s, e, out);
    if (a === 0) add(out, this.oldestAt[j]!, this.oldest[j]!, "unshift");
    if (b === this.n) add(out, this.newestAt[j]!, this.newest[j]!, "push");
    return out;
  }

  /** The lowest or the highest value of column `j` in each of at most `most` parts of [from, to]: the edge of a band. */
  edge(j: number, side: "lo" | "hi", most: number, from = -Infinity, to = Infinity): Line {
    const [a, b] = this.rows(from, to);
    const values = (side === "lo" ? this.lo : this.hi)[j]!, out: Line = { x: [], y: [] };
    for (const [s, e] of this.parts(a, b, most)) {
      const part = Array.from(values.subarray(s, e)).filter((v) => !Number.isNaN(v));
      if (!part.length) continue;
      out.x.push(this.start[s]!);
      out.y.push(side === "lo" ? Math.min(...part) : Math.max(...part));
    }
    return out;
  }

  /** Columns [j0, j1) as rows of a heat map over `most` parts of the axis; a cell is the highest value of its part. */
  grid(j0: number, j1: number, most: number, from = -Infinity, to = Infinity): { x: number[]; z: (number | null)[][] } {
    const [a, b] = this.rows(from, to);
    const parts = this.parts(a, b, most);
    const x = parts.map(([s]) => this.start[s]!);
    const z = Array.from({ length: j1 - j0 }, (_, r) => parts.map(([s, e]) => highest(this.hi[j0 + r]!, s, e)));
    return { x, z };
  }

  private part(j: number, s: number, e: number, out: Line): void {
    let p = -1, q = -1;
    for (let i = s; i < e; i++) {
      if (Number.isNaN(this.lo[j]![i]!)) continue;
      if (p < 0 || this.lo[j]![i]! < this.lo[j]![p]!) p = i;
      if (q < 0 || this.hi[j]![i]! > this.hi[j]![q]!) q = i;
    }
    if (p < 0) return; // not measured in this part
    const ends = [[this.loAt[j]![p]!, this.lo[j]![p]!], [this.hiAt[j]![q]!, this.hi[j]![q]!]].sort((u, v) => u[0]! - v[0]!);
    for (const [x, y] of ends[0]![0] === ends[1]![0] ? ends.slice(0, 1) : ends) {
      out.x.push(x!);
      out.y.push(y!);
    }
  }

  /** Rows [a, b) in at most `most` parts that are equally long on the axis; empty ones are left out. */
  private parts(a: number, b: number, most: number): [from: number, to: number][] {
    if (b - a <= most) return Array.from({ length: b - a }, (_, k) => [a + k, a + k + 1]);
    const x0 = this.start[a]!, step = (this.start[b - 1]! - x0) / most || 1;
    const out: [number, number][] = [];
    for (let s = a; s < b; ) {
      const end = x0 + step * (Math.floor((this.start[s]! - x0) / step) + 1);
      let e = s + 1;
      while (e < b && (this.start[e]! < end || out.length === most - 1)) e++;
      out.push([s, e]);
      s = e;
    }
    return out;
  }

  private rows(from: number, to: number): [number, number] {
    let a = 0, b = this.n;
    while (a < b && this.start[a]! < from) a++;
    while (b > a && this.start[b - 1]! > to) b--;
    return [Math.max(0, a - 1), Math.min(this.n, b + 1)];
  }

  private halve(): void {
    const half = this.cap / 2;
    for (let i = 0; i < half; i++) this.start[i] = this.start[2 * i]!;
    for (let j = 0; j < this.columns; j++) {
      keep(this.lo[j]!, this.loAt[j]!, half, (a, b) => a <= b);
      keep(this.hi[j]!, this.hiAt[j]!, half, (a, b) => a >= b);
    }
    this.n = half;
    this.stride *= 2;
  }
}

/** Merges neighbours in place: of each pair the one that `better` prefers (or that is a number) stays. */
function keep(values: Float64Array, places: Float64Array, half: number, better: (a: number, b: number) => boolean): void {
  for (let i = 0; i < half; i++) {
    const a = values[2 * i]!, b = values[2 * i + 1]!;
    const k = Number.isNaN(b) || better(a, b) ? 2 * i : 2 * i + 1;
    values[i] = values[k]!;
    places[i] = places[k]!;
  }
}

/** Adds an end of a line that merging has moved away from it. */
function add(out: Line, x: number, y: number, how: "push" | "unshift"): void {
  const end = how === "push" ? out.x.at(-1) : out.x[0];
  if (end === x || end === undefined || Number.isNaN(y)) return;
  out.x[how](x);
  out.y[how](y);
}

function highest(values: Float64Array, s: number, e: number): number | null {
  let most = -Infinity;
  for (let i = s; i < e; i++) if (values[i]! > most) most = values[i]!;
  return most === -Infinity ? null : most;
}
