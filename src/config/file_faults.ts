import type { Finding } from "./schema/findings.ts";
import type { Path } from "./problem/problem.ts";
import { showValue } from "./problem/show_value.ts";

/** A file that a configuration names and that is no good. */
export interface FileFault {
  /** The key that names it, or the section of several keys that name what does not go together. */
  readonly path: Path;
  /** Which item, where the key has a list. */
  readonly item?: number;
  /** What can't be done: it can't be read, or what is in it can't be used. */
  readonly cannot: "read" | "use";
  /** Such as `no such file`; of a section, a whole sentence without a full stop. */
  readonly why: string;
}

/** The faults of files that `document` names, each with the path of the file as it is written there. */
export function fromFaults(faults: readonly FileFault[], document: unknown): Finding[] {
  return faults.map(({ path: key, item, cannot, why }): Finding => {
    const isItem = item !== undefined && Array.isArray(valueAt(document, key));
    const path = isItem ? [...key, item] : key;
    const written = valueAt(document, path);
    const value = typeof written === "string"
      ? `cannot ${cannot} ${showValue(written)}: ${why}`
      : why.charAt(0).toLowerCase() + why.slice(1);
    return {
      kind: "bad_file",
      path,
      value,
      expected: cannot === "read" ? "a file that can be read" : "a file that can be used",
    };
  });
}

function valueAt(document: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (value, step) => (value as Readonly<Record<string | number, unknown>> | null | undefined)?.[step],
    document,
  );
}
