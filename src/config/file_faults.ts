import { resolve } from "node:path";
import type { Finding } from "./schema/findings.ts";
import type { Path } from "./problem/problem.ts";
import { showValue } from "./problem/show_value.ts";

/** A file that a configuration names and that is no good. */
export interface FileFault {
  /** The key that names it, or the section of several keys that name what does not go together. */
  readonly path: Path;
  /** Which item, where the key has a list. */
  readonly item?: number;
  /** What stands there, where it is no path of a file: an address to listen on, resolved, or a group. */
  readonly value?: string;
  /** What can't be done: it can't be read, or what is in it can't be used. */
  readonly cannot: "read" | "use";
  /** Such as `no such file`; of a section, a whole sentence without a full stop. */
  readonly why: string;
}

/** As much of a path is shown, in characters. */
const MAX_PATH = 1024;

/** The faults of files that `document` names. Relative paths in it are relative to `folder`, and are shown resolved. */
export function fromFaults(
  faults: readonly FileFault[],
  { document, folder }: { readonly document: unknown; readonly folder: string },
): Finding[] {
  return faults.map(({ path: key, item, value: named, cannot, why }): Finding => {
    const isItem = item !== undefined && Array.isArray(valueAt(document, key));
    const path = isItem ? [...key, item] : key;
    const written = valueAt(document, path);
    const file = named ?? (typeof written === "string" ? resolve(folder, written) : undefined);
    const value = file !== undefined
      ? `cannot ${cannot} ${showValue(file, MAX_PATH)}: ${why}`
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
