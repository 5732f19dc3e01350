import type { KnobSpec } from "./types";

export const TICKS = 240; // positions of a slider: 40 to a power of ten on the penalties
const DECADES = 6; // how far a logarithmic slider that starts at 0 reaches below its top

/** Lowest value of a logarithmic slider above 0; position 0 is 0 itself when the range holds it. */
const floor = (k: KnobSpec): number => (k.low > 0 ? k.low : k.high * 10 ** -DECADES);

/** Slider position (0…TICKS) → value, rounded to two digits so that it can be read. */
export function toValue(k: KnobSpec, position: number): number {
  const share = position / TICKS;
  let value = k.low + (k.high - k.low) * share;
  if (k.log) value = position === 0 ? k.low : floor(k) * (k.high / floor(k)) ** share;
  const digits = k.kind === "int" ? Math.round(value) : Number(value.toPrecision(k.log ? 2 : 3));
  return Math.min(k.high, Math.max(k.low, digits));
}

/** Value → slider position, the inverse up to rounding. */
export function toPosition(k: KnobSpec, value: number): number {
  if (!k.log) return Math.round((TICKS * (value - k.low)) / (k.high - k.low));
  if (value <= k.low) return 0;
  const share = Math.log(value / floor(k)) / Math.log(k.high / floor(k));
  return Math.min(TICKS, Math.max(1, Math.round(TICKS * share)));
}
