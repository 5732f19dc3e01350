// Several copies of a network in one run: what all of them say at one step.

type Value = number | null | undefined;

/** Lowest and highest of what the copies say. */
export function ends(values: Value[] = []): (number | null)[] {
  const there = values.filter((v): v is number => typeof v === "number");
  return there.length ? [Math.min(...there), Math.max(...there)] : [null, null];
}

/** The same for each of `n` layers; `lists` has a list over the layers for each copy. */
export const endsOfEach = (lists: (Value[] | null)[] = [], n: number): (number | null)[] =>
  Array.from({ length: n }, (_, k) => ends(lists.map((list) => list?.[k]))).flat();
