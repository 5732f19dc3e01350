/** Numbers kept per cell: enough for a chart of a few hundred points, whatever the length of the run. */
const CELLS = 150_000;

export interface Line {
  x: number[];
  y: number[];
}

/**
 * Several columns over one growing axis, in bounded memory. When the rows are full, neighbours are merged in
 * pairs; a merged row keeps, for each column, its lowest and highest value and where they were, so no spike,
 * no first and no last value is ever lost.
 */
export class Series {
  n = 0;
  last = -Infinity;
  private readonly cap: number;
  private readonly start: Float64Array;
  private readonly lo: Float64Array[];
  private readonly hi: Float64Array[];
  private readonly loAt: Float64Array[];
  private readonly hiAt: Float64Array[];
  private readonly oldest: Float64Array;
  private readonly newest: Float64Array;

  constructor(readonly columns: number, cap = Math.max(256, Math.min(2048, Math.floor(CELLS / columns)))) {
    this.cap = cap - (cap % 2);
    const make = () => Array.from({ length: columns }, () => new Float64Array(this.cap));
    this.start = new Float64Array(this.cap);
    this.oldest = new Float64Array(columns).fill(NaN);
    this.newest = new Float64Array(columns).fill(NaN);
    [this.lo, this.hi, this.loAt, this.hiAt] = [make(), make(), make(), make()];
  }

  /** Appends a row; one that is not later than the last is left out (it was seen before). */
  push(x: number, values: (number | null | undefined)[]): void {
    if (x <= this.last) return;
    if (this.n === this.cap) this.halve();
    const i = this.n++;
    this.start[i] = this.last = x;
    for (let j = 0; j < this.columns; j++) {
      const v = values[j] ?? NaN;
      this.lo[j]![i] = this.hi[j]![i] = this.newest[j] = v;
      if (i === 0) this.oldest[j] = v;
      this.loAt[j]![i] = this.hiAt[j]![i] = x;
    }
  }

  /** Newest value of column `j`. */
  latest(j: number): number {
    return this.newest[j]!;
  }

  /** Forgets what came after `x`: a continued run goes on from its checkpoint. */
  truncate(x: number): void {
    while (this.n && this.start[this.n - 1]! > x) this.n--;
    this.last = Math.min(this.last, x);
  }

  /** Column `j` over [from, to] in at most `most` points, lowest and highest of each part at their own place. */
  line(j: number, most: number, from = -Infinity, to = Infinity): Line {
    const [a, b] = this.rows(from, to);
    const parts = Math.min(b - a, (most - 2) >> 1);
    const out: Line = { x: [], y: [] };
    for (let k = 0; k < parts; k++) {
      const s = a + Math.floor(((b - a) * k) / parts), e = a + Math.floor(((b - a) * (k + 1)) / parts);
      this.part(j, s, e, out);
    }
    if (a === 0) add(out, this.start[0]!, this.oldest[j]!, "unshift");
    if (b === this.n) add(out, this.last, this.newest[j]!, "push");
    return out;
  }

  /** Columns [j0, j1) as rows of a heat map over `most` parts of the axis; a cell is the highest value of its part. */
  grid(j0: number, j1: number, most: number, from = -Infinity, to = Infinity): { x: number[]; z: (number | null)[][] } {
    const [a, b] = this.rows(from, to);
    const parts = Math.min(b - a, most);
    const at = (k: number) => a + Math.floor(((b - a) * k) / parts);
    const x = Array.from({ length: parts }, (_, k) => this.start[at(k)]!);
    const z = Array.from({ length: j1 - j0 }, (_, r) =>
      Array.from({ length: parts }, (_, k) => highest(this.hi[j0 + r]!, at(k), at(k + 1))));
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
