// Moving what Plotly drew. A redraw by Plotly costs 20–60 ms, nearly all of it for axes, defaults and hover data that
// are the same as before. Between its redraws only the outlines of lines and the pixels of pictures are written anew.

import type { Json } from "./types";

interface Axis {
  type: string;
  range: [number, number];
  l2p(value: number): number;
}

type Write = () => void;

const NUMBERS = ["x", "y", "z", "customdata", "color"];

/** Everything of a figure but its numbers: while this stays the same, moving is enough. */
export const frame = (data: Json[], layout: Json): string =>
  JSON.stringify([data, layout], (key, value) => (NUMBERS.includes(key) && Array.isArray(value) ? 0 : value));

/**
 * Shows `data` in the axes that Plotly has drawn in `plot`; false (and nothing done) where that cannot be.
 * With `cut`, what lies beyond the axes is cut off; without it, the axes must hold everything.
 */
export function move(plot: any, data: Json[], cut: boolean): boolean {
  const { xaxis, yaxis } = plot._fullLayout ?? {};
  if (!xaxis || !yaxis) return false;
  const nodes = new Map<number, any>();
  for (const node of plot.querySelectorAll(".scatterlayer .trace, .heatmaplayer .hm")) nodes.set(node.__data__?.[0]?.trace?.index, node);
  const writes: Write[] = [];
  for (const [i, trace] of data.entries()) {
    const node = nodes.get(i), dots = String(trace.mode).includes("markers");
    if (trace.visible === false || (dots && !trace.x.length)) continue;
    if (!node) return false;
    const found: (Write | null)[] = [];
    if (trace.type === "heatmap") found.push(picture(node, trace));
    else if (trace.mode !== "markers") found.push(outline(node, trace, xaxis, yaxis, cut));
    if (dots) found.push(points(node, trace, plot.data[i], xaxis, yaxis));
    for (const write of found) if (write) writes.push(write); else return false;
  }
  for (const write of writes) write();
  return true;
}

function outline(node: Element, trace: Json, xaxis: Axis, yaxis: Axis, cut: boolean): Write | null {
  const area = trace.fill === "toself", path = node.querySelector(area ? "path.js-fill" : "path.js-line");
  if (!path) return null;
  const parts: string[] = [];
  for (let i = 0; i < trace.x.length; i++) {
    const x = place(xaxis, trace.x[i]), y = place(yaxis, trace.y[i]);
    if (Number.isNaN(y)) continue; // zero on a logarithmic axis
    if (!cut && (outside(xaxis, x) || outside(yaxis, y))) return null;
    parts.push(`${xaxis.l2p(x).toFixed(1)},${yaxis.l2p(y).toFixed(1)}`);
  }
  return () => path.setAttribute("d", parts.length ? `M${parts.join("L")}${area ? "Z" : ""}` : "M0,0");
}

const moved = new WeakMap<Element, { drawn: Json; last: Json }>(); // what points show since Plotly drew them

/** Points of a set of data stay where they are; those beyond the axes, or of nothing, are left to Plotly. */
function points(node: Element, trace: Json, drawn: Json, xaxis: Axis, yaxis: Axis): Write | null {
  const before = moved.get(node), last = before?.drawn === drawn ? before.last : drawn;
  const same = (name: "x" | "y") => trace[name].length === last[name].length && trace[name].every((v: unknown, k: number) => v === last[name][k]);
  if (same("x") && same("y")) return () => {};
  const dots = node.querySelectorAll("path.point");
  const at: [number, number][] = trace.x.map((x: number, k: number) => [place(xaxis, x), place(yaxis, trace.y[k])]);
  if (dots.length !== at.length || at.some(([x, y]) => outside(xaxis, x) || outside(yaxis, y))) return null;
  return () => {
    at.forEach(([x, y], k) => dots[k]!.setAttribute("transform", `translate(${xaxis.l2p(x).toFixed(1)},${yaxis.l2p(y).toFixed(1)})`));
    moved.set(node, { drawn, last: trace });
  };
}

/** Where `value` stands on `axis`, in the units of its range: powers of ten on a logarithmic one. */
const place = (axis: Axis, value: number): number => (axis.type === "log" ? (value > 0 ? Math.log10(value) : NaN) : value);

function outside(axis: Axis, place: number): boolean {
  const [a, b] = axis.range;
  return !Number.isFinite(place) || place < Math.min(a, b) || place > Math.max(a, b);
}

const canvas = document.createElement("canvas");

/** An even heat map with a fixed scale: one pixel for each cell, stretched over the image that is there. */
function picture(node: Element, trace: Json): Write | null {
  const image = node.querySelector("image");
  if (!image || trace.zmax === undefined || trace.dx === undefined) return null;
  const rows: number[][] = trace.z, table = colours(trace.colorscale);
  [canvas.width, canvas.height] = [rows[0]!.length, rows.length];
  const context = canvas.getContext("2d", { willReadFrequently: true })!;
  const pixels = context.createImageData(canvas.width, canvas.height);
  rows.forEach((row, r) => row.forEach((value, c) => {
    const share = Math.min(1, Math.max(0, (value - trace.zmin) / (trace.zmax - trace.zmin)));
    pixels.data.set(table[Math.round(255 * share)]!, 4 * ((rows.length - 1 - r) * canvas.width + c));
  }));
  context.putImageData(pixels, 0, 0);
  const url = canvas.toDataURL();
  return () => {
    image.setAttribute("href", url);
    image.setAttribute("xlink:href", url);
    (image as SVGElement).style.imageRendering = trace.zsmooth ? "auto" : "pixelated";
  };
}

const tables = new Map<string, number[][]>();

/** 256 colours [r, g, b, 255] of a Plotly colour scale. */
function colours(scale: [number, string][]): number[][] {
  const key = JSON.stringify(scale);
  if (!tables.has(key)) tables.set(key, Array.from({ length: 256 }, (_, i) => [...between(scale, i / 255), 255]));
  return tables.get(key)!;
}

function between(scale: [number, string][], at: number): number[] {
  const k = Math.max(1, scale.findIndex(([place]) => place >= at));
  const [[p, from], [q, to]] = [scale[k - 1]!, scale[k]!];
  const share = q > p ? (at - p) / (q - p) : 1;
  const rgb = (hex: string) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
  const a = rgb(from), b = rgb(to);
  return a.map((v, i) => Math.round(v + share * (b[i]! - v)));
}
