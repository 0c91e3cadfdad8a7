import * as v from "valibot";

// The parts that the schema of the status is made of.

/** A time as `Date.toISOString` writes it. */
export const time = v.pipe(
  v.string(),
  v.check(isTime, "expected a time such as 2026-11-20T12:00:00.000Z"),
  v.metadata({ format: "date-time" }),
);
/** A whole number, 0 or more. */
export const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
/** A number, 0 or more: a duration in seconds or a share. */
export const amount = v.pipe(v.number(), v.finite(), v.minValue(0));
/** A text that is not empty. */
export const text = v.pipe(v.string(), v.nonEmpty());
/** Counts by reason. */
export const counts = v.pipe(v.record(text, count), v.readonly());

/** An object with these keys and no others. */
export function object<const T extends v.ObjectEntries>(entries: T) {
  return v.pipe(v.strictObject(entries), v.readonly());
}

/** A list of any length. */
export function list<const T extends v.GenericSchema>(item: T) {
  return v.pipe(v.array(item), v.readonly());
}

/** A key that is always present. */
export function field<const T extends v.GenericSchema>(schema: T, description: string) {
  return v.pipe(schema, v.description(description));
}

/** A key that may be absent. It is never null. */
export function optional<const T extends v.GenericSchema>(schema: T, description: string) {
  return v.exactOptional(field(schema, description));
}

/** The values of a duration, as a `HistogramSnapshot`. */
export const histogram = object({
  bounds: field(list(amount), "Upper bounds of the buckets in seconds, ascending"),
  counts: field(list(count), "Number of values up to each bound, cumulative"),
  sum: field(amount, "Sum of all values in seconds"),
  count: field(count, "Number of values, including those above the last bound"),
});

function isTime(text: string): boolean {
  const ms = Date.parse(text);
  return !Number.isNaN(ms) && new Date(ms).toISOString() === text;
}
