import { latin1 } from "../../core/latin1.ts";
import type { Steps } from "../../core/slices.ts";

/** A block of a PEM file. */
export interface ScannedBlock {
  /** What the block says that it is, such as `X509 CRL`; empty where that can't be read. */
  readonly label: string;
  /** What is in it; absent where it is broken. */
  readonly der?: Uint8Array<ArrayBuffer>;
}

const BEGIN = new TextEncoder().encode("-----BEGIN ");
const DASH = 0x2d;
const MAX_LABEL_LENGTH = 64;
/** So many octets are looked at between two places where the work may pause. */
const STEP_BYTES = 262_144;

/** Whether a file has a PEM block, or the beginning of one. */
export function* hasPem(bytes: Uint8Array): Steps<boolean> {
  return (yield* findBegin(bytes, 0)) !== -1;
}

/**
 * Finds the blocks of a large PEM file, RFC 7468, without making a text of the whole. Everything outside of the blocks
 * is skipped. A block that is cut off or is not base64 is reported as such, and the next one is read.
 */
export function* scanPem(bytes: Uint8Array): Steps<ScannedBlock[]> {
  const blocks: ScannedBlock[] = [];
  for (let at = yield* findBegin(bytes, 0); at !== -1;) {
    const { label, bodyStart } = readBegin(bytes, at);
    const bodyEnd = yield* findDash(bytes, bodyStart);
    const isEnded = label !== "" && isEnd(bytes, { at: bodyEnd, label });
    const der = isEnded ? yield* decode(bytes.subarray(bodyStart, bodyEnd)) : undefined;
    blocks.push({ label, ...(der && { der }) });
    at = yield* findBegin(bytes, bodyEnd);
  }
  return blocks;
}

/** The label of a block that begins at `at`, and where its body begins. */
function readBegin(bytes: Uint8Array, at: number): { label: string; bodyStart: number } {
  const start = at + BEGIN.length;
  const line = latin1(bytes, start, Math.min(start + MAX_LABEL_LENGTH, bytes.length));
  const label = /^([A-Z0-9 ]+)-----[ \t]*(?:\r?\n)/.exec(line);
  if (label === null) return { label: "", bodyStart: start };
  return { label: label[1]!, bodyStart: start + label[0].length };
}

function isEnd(bytes: Uint8Array, { at, label }: { at: number; label: string }): boolean {
  const expected = `-----END ${label}-----`;
  return latin1(bytes, at, Math.min(at + expected.length, bytes.length)) === expected;
}

/** Where the next `-----BEGIN ` is; -1: nowhere. */
function* findBegin(bytes: Uint8Array, from: number): Steps<number> {
  for (let at = yield* findDash(bytes, from); at < bytes.length; at = yield* findDash(bytes, at + 1)) {
    if (BEGIN.every((octet, i) => bytes[at + i] === octet)) return at;
  }
  return -1;
}

/** Where the next `-` is; the end, if there is none. */
function* findDash(bytes: Uint8Array, from: number): Steps<number> {
  for (let at = from; at < bytes.length; at += STEP_BYTES) {
    const found = bytes.subarray(at, at + STEP_BYTES).indexOf(DASH);
    if (found !== -1) return at + found;
    yield;
  }
  return bytes.length;
}

/** The octets that base64 stands for; nothing, where it is broken. */
function* decode(body: Uint8Array): Steps<Uint8Array<ArrayBuffer> | undefined> {
  const octets = new Uint8Array(Math.ceil(body.length / 4) * 3);
  let [read, written] = [0, 0];
  try {
    while (body.length - read > STEP_BYTES) {
      const text = latin1(body, read, read + STEP_BYTES);
      const step = octets.subarray(written).setFromBase64(text, { lastChunkHandling: "stop-before-partial" });
      if (step.read === 0) return undefined;
      read += step.read;
      written += step.written;
      yield;
    }
    written += octets.subarray(written).setFromBase64(latin1(body, read)).written;
  } catch {
    return undefined;
  }
  return octets.slice(0, written);
}
