import type { BackendSpec } from "../options.ts";
import type { BackendSource } from "./source.ts";

/** A source with one set, which is final. */
export function staticSource(backends: readonly BackendSpec[]): BackendSource {
  return async function* () {
    yield await Promise.resolve(backends);
  };
}
