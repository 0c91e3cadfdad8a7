import { CulvertError } from "../../core/errors.ts";
import { type Address, parseAddress } from "../../net/address.ts";
import type { Located } from "./conflicts.ts";
import { isMapping, MAX_ITEMS } from "../schema/fields.ts";
import type { Path } from "../problem/problem.ts";
import { resolveAddress } from "./resolve_address.ts";

/**
 * A value of a document and where it stands, for checks that read the document before it is known to be good.
 * What has the wrong shape reads as absent: the schema reports it.
 */
export class DocumentNode {
  readonly path: Path;
  readonly value: unknown;

  constructor(path: Path, value: unknown) {
    this.path = path;
    this.value = value;
  }

  /** What stands under `key` of a mapping. */
  at(key: string): DocumentNode {
    const isKnown = isMapping(this.value) && Object.hasOwn(this.value, key);
    return new DocumentNode([...this.path, key], isKnown ? this.value[key] : undefined);
  }

  /** The items of a list. */
  items(): DocumentNode[] {
    if (!Array.isArray(this.value) || this.value.length > MAX_ITEMS) return [];
    return this.value.map((item: unknown, index) => new DocumentNode([...this.path, index], item));
  }

  /** The values of a mapping. */
  entries(): DocumentNode[] {
    if (!isMapping(this.value)) return [];
    return Object.entries(this.value).map(([key, value]) => new DocumentNode([...this.path, key], value));
  }

  /** The keys of a mapping. */
  keys(): string[] {
    return isMapping(this.value) ? Object.keys(this.value) : [];
  }

  /** The text that stands here, as a list of at most one. */
  text(): Located<string>[] {
    return typeof this.value === "string" ? [{ ...this, as: this.value }] : [];
  }

  /** As {@linkcode address}, of a listener: a unix socket may be a mapping, with its mode and group. */
  listener(folder: string): Located<Address>[] {
    return isMapping(this.value) ? this.at("address").address(folder) : this.address(folder);
  }

  /** The address that stands here, as a list of at most one. */
  address(folder: string): Located<Address>[] {
    try {
      return this.text().map(({ as }) => ({ ...this, as: resolveAddress(parseAddress(as), folder) }));
    } catch (error) {
      if (error instanceof CulvertError) return [];
      throw error;
    }
  }
}
