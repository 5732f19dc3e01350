import { ends, endsOfEach } from "./across";
import { Series } from "./series";
import type { Json } from "./types";

/** What is measured along the run when it is asked for, and the fields of its records: one number, or one for each
 * layer with weights ("layers") or each node whose output is measured ("nodes"). */
const FIELDS = {
  cosine: { all: "one", layers: "layers" },
  penalty: { data: "layers", penalty: "layers", decay: "layers" },
  rank: { rank: "nodes", most: "nodes" },
  duplicates: { share: "nodes" },
  noise: { scale: "one", trace: "one", square: "one" },
  sharpness: { sharpness: "one", limit: "one" },
  gain: { gain: "nodes" },
} as const;
export type Along = keyof typeof FIELDS;

const PICTURES = ["grad_hist", "update_hist", "examples"];

/** The measurements that this run was asked for, in bounded memory. */
export class Measured {
  readonly series = new Map<string, Series>();
  readonly bands = new Map<string, Series>(); // lowest and highest of all copies, side by side, for each column
  readonly pictures: Record<string, Json> = {}; // the newest of each
  costs: Json | null = null; // what watching has cost so far
  private layers = 0;
  private nodes = 0;

  /** A run starts, or goes on after step `from`. */
  start(layers: number, nodes: number, from: number | null): void {
    const all = [this.series, this.bands];
    if (layers !== this.layers || nodes !== this.nodes) for (const map of all) map.clear();
    [this.layers, this.nodes] = [layers, nodes];
    if (from !== null) for (const map of all) for (const series of map.values()) series.truncate(from);
  }

  /** Takes in a record, if it is a measurement. */
  take(step: number, kind: string, body: Json): void {
    if (kind === "costs") this.costs = body;
    else if (PICTURES.includes(kind)) this.pictures[kind] = { ...body, step };
    else if (kind in FIELDS) {
      const fields = Object.entries(FIELDS[kind as Along]);
      push(this.series, kind, step, fields.flatMap(([field, per]) => this.spread(body[field], per)));
      if (body.copies) push(this.bands, kind, step, fields.flatMap(([field, per]) => this.between(body.copies[field], per)));
    }
  }

  /** Column of `field` in the series of `kind`, the first of them where there are several. */
  column(kind: Along, field: string): number {
    let at = 0;
    for (const [name, per] of Object.entries(FIELDS[kind])) {
      if (name === field) return at;
      at += this.width(per);
    }
    return at;
  }

  get asked(): string[] {
    return this.costs?.asked ?? [];
  }

  private spread(value: any, per: string): (number | null)[] {
    return per === "one" ? [value ?? null] : Array.from({ length: this.width(per) }, (_, i) => value?.[i] ?? null);
  }

  /** Lowest and highest of `values`, one for each copy, for each column that `spread` gives. */
  private between(values: any[], per: string): (number | null)[] {
    return per === "one" ? ends(values) : endsOfEach(values, this.width(per));
  }

  private width(per: string): number {
    return per === "one" ? 1 : per === "layers" ? this.layers : this.nodes;
  }
}

function push(all: Map<string, Series>, kind: string, step: number, values: (number | null)[]): void {
  if (!all.has(kind)) all.set(kind, new Series(Math.max(1, values.length)));
  all.get(kind)!.push(step, values);
}
