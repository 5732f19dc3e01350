export interface Theme {
  dark: boolean;
  text: string;
  muted: string;
  grid: string;
  background: string;
  font: string;
  train: string;
  validation: string;
  batch: string;
  guide: string;
  marker: string;
}

/** Colours of Okabe and Ito (2008), told apart with any colour vision. */
export const CLASSES = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#F0E442", "#999999", "#7F3C8D", "#66A61E"];

/** Viridis at nine places (van der Walt and Smith 2015): ordered, and even to every eye. */
const VIRIDIS = ["#440154", "#472d7b", "#3b528b", "#2c728e", "#21918c", "#28ae80", "#5ec962", "#addc30", "#fde725"];
export const SCALE: [number, string][] = VIRIDIS.map((c, i) => [i / (VIRIDIS.length - 1), c]);

const rgb = (hex: string): number[] => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));

/** Colour of layer `i` of `n`: first to last along viridis, without the end that would vanish in the background. */
export function depth(i: number, n: number, dark: boolean): string {
  const [lo, hi] = dark ? [0.25, 1] : [0, 0.82];
  const at = (lo! + ((hi! - lo!) * i) / Math.max(1, n - 1)) * (VIRIDIS.length - 1);
  const k = Math.min(VIRIDIS.length - 2, Math.floor(at));
  const a = rgb(VIRIDIS[k]!), b = rgb(VIRIDIS[k + 1]!);
  return `rgb(${a.map((v, c) => Math.round(v + (b[c]! - v) * (at - k))).join(",")})`;
}

/** Streamlit's theme as its CSS variables say it at `node`. */
export function readTheme(node: Element): Theme {
  const style = getComputedStyle(node);
  const read = (name: string, otherwise: string) => style.getPropertyValue(name).trim() || otherwise;
  const background = read("--st-background-color", "#ffffff");
  const dark = luminance(background) < 0.5;
  return {
    dark, background,
    text: read("--st-text-color", dark ? "#fafafa" : "#31333f"),
    muted: dark ? "rgba(250,250,250,.65)" : "rgba(49,51,63,.7)",
    grid: dark ? "rgba(250,250,250,.13)" : "rgba(49,51,63,.12)",
    font: read("--st-font", "sans-serif"),
    train: dark ? "#56B4E9" : "#0072B2",
    validation: dark ? "#F0A35E" : "#D55E00",
    batch: dark ? "rgba(250,250,250,.3)" : "rgba(49,51,63,.25)",
    guide: dark ? "rgba(250,250,250,.55)" : "rgba(49,51,63,.55)",
    marker: dark ? "#E58FC4" : "#A83279",
  };
}

/** Relative lightness (0…1) of a hexadecimal or rgb() colour. */
function luminance(colour: string): number {
  const parts = colour.startsWith("#") ? rgb(colour.length === 4 ? colour.replace(/[^#]/g, "$&$&") : colour)
    : (colour.match(/[\d.]+/g) ?? ["255", "255", "255"]).map(Number);
  return (0.2126 * parts[0]! + 0.7152 * parts[1]! + 0.0722 * parts[2]!) / 255;
}
