// What travels: ARCHITECTURE.md, sections "Events", "Commands" and "The live route".

export type Json = Record<string, any>;
export type Rec = [id: number, step: number, time: number, kind: string, body: Json];
export type RunState = "" | "queued" | "starting" | "running" | "paused" | "finished" | "stopped" | "failed" | "interrupted";

export interface Status {
  state: RunState;
  queue: number | null;
  reason: string;
  node: string | null;
  steps: number | null; // how many steps the run is to make
}

export interface Diagnostic {
  what: string;
  cure: string;
  field?: string | null;
  severity?: "error" | "warning";
}

export interface Packet {
  records: Rec[];
  status: Status;
  now: number;
  history?: boolean; // the records are the whole (thinned) history: forget what came before
  refused?: Diagnostic; // a command that was not carried out
}

/** Another run that goes on from a moment of this one. */
export interface Fork {
  step: number;
  knobs: Record<string, number>;
  settings?: boolean; // with those of the form beside the panel
  label?: string;
}

export type Command = { do: "break"; when: string[] } | { do: "pause" | "resume" | "step" | "stop" | "continue" } | { do: "set" | "measure"; name: string; value: number };

/** A Param of engine/knobs.py, with the node it belongs to when it is the rate of one Dropout layer. */
export interface KnobSpec {
  name: string;
  kind: "int" | "float";
  low: number;
  high: number;
  default: number;
  label: string;
  symbol: string;
  help: string;
  log: boolean;
}

export interface KnobGroup {
  title: string;
  knobs: KnobSpec[];
}

/** What Python hands over; `run` null is the empty state before the first run. */
export interface Data {
  run: string | null;
  plotly: string;
  groups: KnobGroup[];
  dropout: KnobSpec;
  weight: KnobSpec; // of one of several Outputs
  values: Record<string, number> | null; // knobs before a run; null: they can be turned in a run only
  labels: Record<string, string>;
  parent: { run: string; step: number } | null; // the run that this one goes on from
  foreign: boolean; // it is the run of another browser
  settings: string; // what the form beside the panel would change in the run
  breakpoints: string[]; // for the next run
  hide: string[]; // parts that are not shown
  stops: [name: string, words: string][]; // what a run can be stopped by
  points: [x: number, y: number, target: number, validation: boolean][];
}

/** What Streamlit calls a component with. */
export interface Component {
  data: Data;
  parentElement: HTMLElement;
  setStateValue(name: string, value: unknown): void;
  setTriggerValue(name: string, value: unknown): void;
}

export const OVER: RunState[] = ["finished", "stopped", "failed", "interrupted"];
export const LIVE: RunState[] = ["queued", "starting", "running", "paused"];
