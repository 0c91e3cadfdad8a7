/** A fixed sequence of numbers between 0 and 1, after Park and Miller. `seed` is a whole number from 1 on. */
export function* numbers(seed: number): Generator<number, never> {
  for (let state = seed;;) yield (state = state * 48271 % 2147483647) / 2147483647;
}
