/** A number as a person writes it: three digits, powers of ten only where a decimal would be long. */
export function num(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  if (size === 0) return "0";
  if (size < 1e-3 || size >= 1e6) return value.toExponential(1).replace(".0e", "e").replace("e+", "e");
  return String(Number(value.toPrecision(3)));
}

export const count = (value: number): string => Math.round(value).toLocaleString("en-US");
export const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

/** `name` short enough for an axis. */
export const short = (name: string, most = 16): string => (name.length > most ? `${name.slice(0, most - 1)}…` : name);
