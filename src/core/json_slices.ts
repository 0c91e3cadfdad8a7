import { runInSlices, type Steps } from "./slices.ts";

/** As deep values are written piece by piece; what lies deeper is written at once. */
const MAX_DEPTH = 4;

/**
 * Writes a value as `JSON.stringify` does, in slices, so that connections are served meanwhile. For plain values: objects
 * without `toJSON`, arrays, texts, numbers, booleans and null. What changes meanwhile may be written as it was or as it
 * is.
 *
 * @param escape What each piece goes through.
 */
export async function jsonInSlices(
  value: unknown,
  escape: (piece: string) => string = (piece) => piece,
): Promise<string> {
  const pieces: string[] = [];
  await runInSlices(write(value, { depth: 0, emit: (piece) => pieces.push(escape(piece)) }));
  return pieces.join("");
}

interface Writing {
  readonly depth: number;
  readonly emit: (piece: string) => void;
}

function* write(value: unknown, { depth, emit }: Writing): Steps<void> {
  const below = { depth: depth + 1, emit };
  if (depth === MAX_DEPTH || typeof value !== "object" || value === null) {
    emit(JSON.stringify(value) ?? "null");
    yield;
  } else if (Array.isArray(value)) {
    emit("[");
    for (const [index, item] of value.entries()) {
      if (index > 0) emit(",");
      yield* write(item, below);
    }
    emit("]");
  } else {
    let separator = "{";
    for (const [key, item] of Object.entries(value)) {
      if (item === undefined) continue;
      emit(`${separator}${JSON.stringify(key)}:`);
      yield* write(item, below);
      separator = ",";
    }
    emit(separator === "{" ? "{}" : "}");
  }
}
