import type { Chart } from "./chart";
import { copies } from "./copies";
import { loss, metric } from "./curves";
import { activations, gradients, updates } from "./layers";
import { outputs } from "./outputs";
import { MEASUREMENTS } from "./measured";
import { boundary, histogram } from "./pictures";

/** Every chart, in the order of the page. A new one is a value of type Chart, listed here. */
export const CHARTS: Chart[] = [loss, metric, outputs, copies, boundary, gradients, activations, histogram, updates, ...MEASUREMENTS];
