import { CulvertError } from "../../core/errors.ts";
import { runAtOnce, type Steps } from "../../core/slices.ts";

/** One block of a PEM text. */
export interface PemBlock {
  /** What the block says that it is, such as `CERTIFICATE`. */
  readonly label: string;
  readonly der: Uint8Array<ArrayBuffer>;
  /** Whether it has headers that say that it is encrypted: RFC 1421 section 4.6.1. */
  readonly isEncrypted: boolean;
}

/** White space in front may be a byte order mark. */
const BEGIN = /^\s*-----BEGIN ([^-]*)-----\s*$/;
/** Any line that begins a block, also one that is cut off. */
const BEGINNING = /^\s*-----BEGIN /;
const END = /^\s*-----END ([^-]*)-----\s*$/;
const ANY_END = /^\s*-----END /;
/** A header of RFC 1421, or a line that goes on with one. */
const HEADER = /^[A-Za-z][A-Za-z0-9-]*:|^[ \t]+\S/;
const LINE_LENGTH = 64;

/**
 * Reads every block of a PEM text, RFC 7468. As for OpenSSL, what stands around the blocks is left aside (comments,
 * the attributes that `openssl pkcs12` writes, a byte order mark), and lines may end and be indented in any way.
 *
 * @throws {CulvertError} `bad_certificate` with the number of the line when a block is begun and not ended, or is not
 * base64: it may be the one that matters.
 */
export function readPem(text: string): PemBlock[] {
  return runAtOnce(pemBlocks(text));
}

/** As {@linkcode readPem}, in steps: a bundle may have thousands of blocks. */
export function* pemBlocks(text: string): Steps<PemBlock[]> {
  const lines = text.split(/\r\n|\n|\r/);
  const blocks: PemBlock[] = [];
  for (let at = 0; at < lines.length; at++) {
    if (!BEGINNING.test(lines[at]!)) continue;
    const label = BEGIN.exec(lines[at]!)?.[1];
    if (label === undefined) throw broken(at, "the first line of a block is cut off");
    const end = endOf(lines, { start: at, label });
    blocks.push({ label, ...bodyOf(lines.slice(at + 1, end), { start: at, label }) });
    at = end;
    yield;
  }
  return blocks;
}

/** Writes one block, with lines of 64 characters. */
export function writePem(label: string, der: Uint8Array): string {
  const text = der.toBase64();
  const lines: string[] = [];
  for (let at = 0; at < text.length; at += LINE_LENGTH) lines.push(text.slice(at, at + LINE_LENGTH));
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}

function endOf(
  lines: readonly string[],
  { start, label }: { readonly start: number; readonly label: string },
): number {
  for (let at = start + 1; at < lines.length; at++) {
    const line = lines[at]!;
    if (BEGINNING.test(line)) break;
    if (!ANY_END.test(line)) continue;
    const ended = END.exec(line)?.[1];
    if (ended === label) return at;
    throw broken(at, `a block of ${label} does not end as it began`);
  }
  throw broken(start, `the block of ${label} has no end`);
}

/** The content of a block; headers end with an empty line. */
function bodyOf(
  lines: readonly string[],
  { start, label }: { readonly start: number; readonly label: string },
): Omit<PemBlock, "label"> {
  const hasHeaders = HEADER.test(lines[0] ?? "") && lines[0]!.includes(":");
  const empty = hasHeaders ? lines.findIndex((line) => line.trim() === "") : -1;
  const headers = lines.slice(0, empty + 1);
  if (hasHeaders && (empty === -1 || !headers.slice(0, -1).every((line) => HEADER.test(line)))) {
    throw broken(start, `the headers of the block of ${label} have no end`);
  }
  try {
    const der = Uint8Array.fromBase64(lines.slice(empty + 1).join(""));
    return { der, isEncrypted: headers.some((line) => /^Proc-Type:.*ENCRYPTED/.test(line)) };
  } catch (cause) {
    throw broken(start, `the block of ${label} is not base64`, cause);
  }
}

/** `at` counts lines from zero. */
function broken(at: number, why: string, cause?: unknown): CulvertError {
  return new CulvertError("bad_certificate", `Cannot read PEM: line ${at + 1}: ${why}`, { cause });
}
