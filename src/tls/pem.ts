import { CulvertError } from "../core/errors.ts";

/** One block of a PEM text. */
export interface PemBlock {
  /** What the block says that it is, such as `CERTIFICATE`. */
  readonly label: string;
  readonly der: Uint8Array<ArrayBuffer>;
}

const BLOCK = /^-----BEGIN ([A-Z0-9 ]+)-----[ \t]*$([^-]*)^-----END \1-----[ \t]*$/gm;
const BEGINNING = /-----BEGIN /g;
const LINE_LENGTH = 64;

/**
 * Reads every block of a PEM text, RFC 7468. What stands around the blocks is left aside, as comments are.
 *
 * @throws {CulvertError} `bad_certificate` when a block is cut off or is not base64.
 */
export function readPem(text: string): PemBlock[] {
  // A file from Windows ends its lines otherwise.
  const plain = text.replaceAll("\r\n", "\n");
  const blocks = [...plain.matchAll(BLOCK)].map(([, label, body]) => ({ label: label!, der: decode(body!) }));
  const begun = plain.match(BEGINNING)?.length ?? 0;
  // One that was begun and not understood must not be passed over: it may be the one that matters.
  if (begun !== blocks.length) {
    throw new CulvertError("bad_certificate", "Cannot read PEM: a block is cut off or broken");
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

function decode(body: string): Uint8Array<ArrayBuffer> {
  try {
    return Uint8Array.fromBase64(body);
  } catch (cause) {
    throw new CulvertError("bad_certificate", "Cannot read PEM: a block is not base64", { cause });
  }
}
