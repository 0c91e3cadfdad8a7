import { runInSlices, type Steps } from "../core/slices.ts";
import type { BackendSpec } from "../upstream/options.ts";
import { type BackendListOptions, parseBackendList } from "./backend_list.ts";
import { MAX_ITEMS } from "./schema/fields.ts";
import { ConfigError } from "./problem/problem.ts";
import { canonicalAddress } from "./rules/resolve_address.ts";

/** A part of about so many characters is parsed at a time, which takes two milliseconds. */
const PART_LENGTH = 8192;
const ITEM = "\n- ";

/**
 * As {@linkcode parseBackendList}, in slices, between which the event loop goes on: a list may have tens of thousands
 * of backends. A list that is not one block sequence of YAML, or is bad, is parsed in one piece.
 */
export function readLargeBackendList(text: string, options: BackendListOptions): Promise<BackendSpec[]> {
  return runInSlices(steps(text, options));
}

function* steps(text: string, options: BackendListOptions): Steps<BackendSpec[]> {
  return (yield* inParts(text, options)) ?? parseBackendList(text, options);
}

/**
 * Parses part by part, each from one item of the list to another. `undefined` where a part can't be used by itself: only
 * the whole tells why, and where.
 */
function* inParts(text: string, options: BackendListOptions): Steps<BackendSpec[] | undefined> {
  if (text.length <= PART_LENGTH) return undefined;
  const all: BackendSpec[] = [];
  const seen = new Set<string>();
  for (let at = 0; at < text.length;) {
    const next = text.indexOf(ITEM, at + PART_LENGTH) + 1 || text.length;
    if (at === 0 && next === text.length) return undefined;
    const part = partOf(text.slice(at, next), options);
    if (part === undefined) return undefined;
    for (const spec of part) all.push(spec);
    for (const { address } of part) seen.add(canonicalAddress(address));
    if (seen.size !== all.length || all.length > MAX_ITEMS) return undefined;
    at = next;
    yield;
  }
  return all;
}

function partOf(text: string, options: BackendListOptions): BackendSpec[] | undefined {
  try {
    return parseBackendList(text, options);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return undefined;
  }
}
