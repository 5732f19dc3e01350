import { ends, endsOfEach } from "./across";
import { Measured } from "./measured";
import { Series } from "./series";
import type { Diagnostic, Fork, Json, Packet, Rec, Status } from "./types";

export const POINT = ["train_loss", "val_loss", "batch_loss", "train_metric", "val_metric", "gap", "lr", "steps_per_s"] as const;
export type PointName = (typeof POINT)[number];
const PER_LAYER = ["grad_norm", "weight_norm", "update_ratio"] as const;
export const PER_OUTPUT = ["train_loss", "val_loss", "train_metric", "val_metric"] as const;
export type OutputName = (typeof PER_OUTPUT)[number];
const PER_ACTIVATION = ["mean", "std", "dead", "saturated"] as const;
export type LayerName = (typeof PER_LAYER)[number] | (typeof PER_ACTIVATION)[number];

export interface Marker {
  step: number;
  time: number;
  name: string;
  old: number;
  value: number;
}

const DRAG_S = 1.5; // changes of one knob closer than this are one movement
const MARKERS = 200;
const NOTES = 50;

/** All that this browser knows of one run, in bounded memory. `after` is the id of the newest record. */
export class History {
  after = 0;
  started: Json | null = null;
  status: Status = { state: "", queue: null, reason: "", node: null, steps: null };
  point: Json | null = null;
  step = 0;
  times: Record<string, number> = {}; // kind → when the newest of it was recorded, seconds since 1970
  points = new Series(POINT.length);
  layers = new Series(1);
  pointBands = new Series(2 * POINT.length); // lowest and highest of all copies, side by side, for each column
  layerBands = new Series(2);
  outputs = new Series(1); // losses and metrics of every output, where there are several
  outputBands = new Series(2);
  each: Record<string, (number | null)[]> = {}; // of the newest point, for every copy
  more = new Measured(); // what it was asked to measure
  norms: (number | null)[] = [];
  hist: Json | null = null;
  boundary: Json | null = null;
  best: number | null = null; // step of the best checkpoint
  knobs: Record<string, number> = {};
  acked: Record<string, number> = {}; // knob → step from which its value is in effect
  markers: Marker[] = [];
  notes: Diagnostic[] = [];
  kept: number[] = []; // steps that one can go back to
  turning: number[] = []; // those of them at which a knob was turned next
  breakpoints: string[] = [];
  cures: Fork[] = []; // what may help a run that broke

  get layerIds(): string[] {
    return (this.started?.layers ?? []).map((l: Json) => l.id);
  }

  get activationIds(): string[] {
    return (this.started?.activations ?? []).map((a: Json) => a.id);
  }

  /** Where there are several, each output with its loss and metric. */
  get outputList(): { id: string; label: string; loss: string; metric: string | null }[] {
    return this.started?.outputs ?? [];
  }

  /** Takes in a packet and returns the kinds that were new. */
  take(packet: Packet): Set<string> {
    this.status = packet.status;
    const kinds = new Set<string>();
    for (const record of packet.records) {
      if (record[0] <= this.after) continue;
      this.after = record[0];
      kinds.add(record[3]);
      this.add(record);
    }
    return kinds;
  }

  /** First column of quantity `name` in `layers`, and how many there are. */
  columns(name: LayerName): [from: number, to: number] {
    const L = this.layerIds.length, A = this.activationIds.length;
    const i = PER_LAYER.indexOf(name as any);
    if (i >= 0) return [i * L, (i + 1) * L];
    const k = PER_ACTIVATION.indexOf(name as any);
    return [3 * L + k * A, 3 * L + (k + 1) * A];
  }

  private add([, step, time, kind, body]: Rec): void {
    this.times[kind] = time;
    if (kind === "started") this.start(body);
    else if (kind === "point") this.addPoint(step, body);
    else if (kind === "layers") this.addLayers(step, body);
    else if (kind === "hist") this.hist = body;
    else if (kind === "boundary") this.boundary = body;
    else if (kind === "knob") this.turn(step, time, body);
    else if (kind === "lane") this.started = { ...this.started, lane: body.lane, lane_reason: body.reason };
    else if (kind === "checkpoint" && body.which === "best") this.best = step;
    else if (kind === "kept") [this.kept, this.turning] = [body.steps, body.turned];
    else if (kind === "breakpoints") this.breakpoints = body.when;
    else if (kind === "state") this.cures = body.cures ?? [];
    else if (kind === "diagnostic") this.notes = [...this.notes, body as Diagnostic].slice(-NOTES);
    else this.more.take(step, kind, body);
    this.step = Math.max(this.step, step);
  }

  /** A run starts, or goes on from a checkpoint: what lies after it was lost and is measured again. */
  private start(body: Json): void {
    this.started = body;
    this.knobs = { ...body.knobs };
    const columns = 3 * this.layerIds.length + 4 * this.activationIds.length;
    if (this.layers.columns !== columns) this.layers = new Series(Math.max(1, columns));
    if (this.layerBands.columns !== 2 * columns) this.layerBands = new Series(Math.max(2, 2 * columns));
    const perOutput = PER_OUTPUT.length * this.outputList.length;
    if (this.outputs.columns !== perOutput) this.outputs = new Series(Math.max(1, perOutput));
    if (this.outputBands.columns !== 2 * perOutput) this.outputBands = new Series(Math.max(2, 2 * perOutput));
    this.more.start(this.layerIds.length, this.activationIds.length, body.resumed_from ?? null);
    if (body.resumed_from !== null && body.resumed_from !== undefined) {
      const all = [this.points, this.layers, this.pointBands, this.layerBands, this.outputs, this.outputBands];
      for (const series of all) series.truncate(body.resumed_from);
      this.markers = this.markers.filter((m) => m.step <= body.resumed_from);
      this.step = body.resumed_from;
    }
  }

  private addPoint(step: number, body: Json): void {
    const measured = Object.entries(body).filter(([, value]) => value !== null); // losses are not taken at every point
    this.point = { ...this.point, ...Object.fromEntries(measured) };
    this.points.push(step, POINT.map((name) => body[name]));
    if (body.outputs) this.addOutputs(step, body);
    if (!body.copies) return;
    this.pointBands.push(step, POINT.flatMap((name) => ends(body.copies[name])));
    for (const [name, values] of Object.entries<(number | null)[]>(body.copies)) {
      if (values.some((value) => typeof value === "number")) this.each[name] = values;
    }
  }

  private addOutputs(step: number, { outputs, copies }: Json): void {
    const each = this.outputList.flatMap(({ id }) => PER_OUTPUT.map((name) => [id, name] as const));
    this.outputs.push(step, each.map(([id, name]) => outputs[id]?.[name]));
    if (copies) this.outputBands.push(step, each.flatMap(([id, name]) => ends(copies.outputs.map((of: Json | null) => of?.[id]?.[name]))));
  }

  private addLayers(step: number, body: Json): void {
    if (!this.started) return;
    this.norms = body.grad_norm;
    const names = [...PER_LAYER, ...PER_ACTIVATION];
    this.layers.push(step, names.flatMap((name) => body[name]));
    if (body.copies) this.layerBands.push(step, names.flatMap((name) => endsOfEach(body.copies[name], body[name].length)));
  }

  private turn(step: number, time: number, body: Json): void {
    this.knobs[body.name] = body.new;
    this.acked[body.name] = step;
    if (body.name === "speed") return; // it changes when things are seen, and nothing in the curves
    const last = this.markers.at(-1);
    if (last && last.name === body.name && time - last.time < DRAG_S) Object.assign(last, { step, time, value: body.new });
    else this.markers = [...this.markers, { step, time, name: body.name, old: body.old, value: body.new }].slice(-MARKERS);
  }
}
