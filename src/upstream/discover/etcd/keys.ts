import { describeError } from "../../../core/errors.ts";
import type { Log } from "../../../core/log.ts";
import type { BackendSpec } from "../../options.ts";
import { checkSet } from "../backend_set.ts";
import { type EtcdKey, plainText } from "./answers.ts";

/** The most keys. */
export const MAX_KEYS = 65_536;
/** The longest value of a key, in bytes. A backend has about a hundred. */
export const MAX_VALUE_BYTES = 3072;
/** The most bytes of all keys and values together, as they are stored. */
export const MAX_KEPT_BYTES = 64 * 2 ** 20;

/** Replaces a value that is too long. Not valid base64. */
const TOO_LONG = "!";

/** What {@linkcode EtcdKeys} needs. */
export interface EtcdKeysOptions {
  /** Parses a value as a backend; throws if it is not valid. */
  readonly parse: (value: unknown) => BackendSpec;
  readonly log: Log;
}

interface Entry {
  readonly key: string;
  readonly revision: number;
  readonly value: string;
  /** `undefined`: the value is not valid, and the key is ignored. */
  readonly spec: BackendSpec | undefined;
}

/** The keys under the prefix with their backends. Each value is parsed once. */
export class EtcdKeys {
  readonly #options: EtcdKeysOptions;
  readonly #entries = new Map<string, Entry>();
  /** The keys of the previous session: unchanged values are neither parsed nor logged again. */
  #before: ReadonlyMap<string, Entry> | undefined;
  #keptBytes = 0;

  /** `before` are the keys of the previous session. */
  constructor(options: EtcdKeysOptions, before?: EtcdKeys) {
    this.#options = options;
    this.#before = before === undefined ? undefined : before.#entries;
  }

  /** The number of keys, including ignored ones. */
  get size(): number {
    return this.#entries.size;
  }

  /** Whether a limit is exceeded. The caller asks after each change. */
  get tooMany(): boolean {
    return this.#entries.size > MAX_KEYS || this.#keptBytes > MAX_KEPT_BYTES;
  }

  /** All keys have been read: forgets the previous session. */
  complete(): void {
    this.#before = undefined;
  }

  /** Adds or replaces a key. Returns whether that changes the set of backends. */
  put(now: EtcdKey): boolean {
    const { key, revision } = now;
    const value = now.value.length > MAX_VALUE_BYTES / 3 * 4 ? TOO_LONG : now.value;
    const old = this.#entries.get(key);
    const known = old ?? this.#before?.get(key);
    const same = known !== undefined && known.value === value;
    const spec = same && (known.spec !== undefined || known.revision === revision)
      ? known.spec
      : this.#read(now, value);
    this.#entries.set(key, { key, revision, value, spec });
    this.#keptBytes += key.length + value.length - keptBytes(old);
    return spec !== old?.spec;
  }

  /** Removes a key. Returns whether that changes the set of backends. */
  delete(key: string): boolean {
    const old = this.#entries.get(key);
    if (old === undefined) return false;
    this.#entries.delete(key);
    this.#keptBytes -= keptBytes(old);
    return old.spec !== undefined;
  }

  /** The backends, in the byte order of their keys. Unchanged ones are the same objects. */
  specs(): readonly BackendSpec[] {
    const specs: BackendSpec[] = [];
    for (const { spec } of [...this.#entries.values()].sort((a, b) => a.key < b.key ? -1 : 1)) {
      if (spec !== undefined) specs.push(spec);
    }
    return specs;
  }

  #read({ key, revision }: EtcdKey, value: string): BackendSpec | undefined {
    try {
      const spec = this.#options.parse(decodeValue(value));
      checkSet([spec]); // Here, as one bad backend makes the whole set invalid later.
      return spec;
    } catch (error) {
      this.#options.log.warn("ignoring etcd key: its value is not a backend", {
        key: printableKey(key),
        revision,
        error: plainText(describeError(error)),
      });
      return undefined;
    }
  }
}

function decodeValue(value: string): unknown {
  if (value === TOO_LONG) throw new Error(`it is longer than ${MAX_VALUE_BYTES} bytes`);
  const bytes = Uint8Array.from(atob(value), (character) => character.charCodeAt(0));
  return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
}

/** The beginning of a key for the log; most keys are UTF-8. */
function printableKey(key: string): string {
  const bytes = Uint8Array.from(key.slice(0, 400), (character) => character.charCodeAt(0));
  return plainText(new TextDecoder().decode(bytes));
}

function keptBytes(entry: Entry | undefined): number {
  return entry === undefined ? 0 : entry.key.length + entry.value.length;
}
