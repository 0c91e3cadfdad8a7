import type { FieldTable } from "../http/field_table.ts";
import { KNOWN_NAMES } from "../http/known_fields.ts";
import { canonicalName } from "./header_rules.ts";

const IDS = new Map<string, number>(KNOWN_NAMES.map((name, id) => [name, id]));

/** Names of fields that are not passed on. A spelling with underscores for hyphens is the same name. */
export class DropSet {
  /** By number of a known name. */
  readonly #known = new Uint8Array(KNOWN_NAMES.length);
  readonly #others = new Set<string>();

  /** Names in whatever case. */
  constructor(names: Iterable<string>) {
    for (const name of names) {
      const canonical = canonicalName(name);
      const id = IDS.get(canonical) ?? 0;
      if (id > 0) this.#known[id] = 1;
      else this.#others.add(canonical);
    }
  }

  /** Marks those of `fields` that are in the set as not passed on. */
  apply(fields: FieldTable): void {
    const known = this.#known;
    const { count } = fields;
    for (let i = 0; i < count; i++) {
      const id = fields.id(i);
      if (id !== 0) {
        if (known[id < 0 ? -id : id] !== 0) fields.drop(i);
      } else if (this.#others.size > 0 && this.#others.has(canonicalName(fields.name(i)))) fields.drop(i);
    }
  }
}
