import { runAtOnce, runInSlices, type Steps } from "../../../core/slices.ts";
import type { Crl, CrlReading, UnusableCrl } from "./crl.ts";
import { unreadable } from "../der.ts";
import { hasPem, type ScannedBlock, scanPem } from "../pem_scan.ts";
import { readCrl } from "./reader.ts";

/** A larger file of CRLs is not read: 64 MiB, which is room for 1.5 million entries. */
export const MAX_CRL_BYTES = 67_108_864;

const CRL_LABELS: ReadonlySet<string> = new Set(["X509 CRL", "CRL"]);

/**
 * Reads CRLs, RFC 5280 section 5: a PEM text with one or several, or the DER of one. It does not return before all is
 * read: for large CRLs in a program that serves connections there is {@linkcode readCrls}.
 *
 * @throws {CulvertError} `bad_certificate` when there is none, or one can't be used: see {@linkcode readCrls}.
 */
export function parseCrls(content: string | Uint8Array): Crl[] {
  const { crls, unusable: [first] } = runAtOnce(readAll(content));
  if (first !== undefined) throw unreadable(first.why, "CRL");
  return [...crls];
}

/**
 * The same in slices of a few milliseconds, between which the event loop goes on, and with each CRL that can't be used
 * told by itself: what is broken or larger than 64 MiB, delta CRLs, indirect CRLs, those with critical extensions that
 * are not known, and those with a signature algorithm that is not supported, such as any with SHA-1.
 */
export function readCrls(content: string | Uint8Array): Promise<CrlReading> {
  return runInSlices(readAll(content));
}

function* readAll(content: string | Uint8Array): Steps<CrlReading> {
  const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
  if (bytes.length > MAX_CRL_BYTES) return { crls: [], unusable: [{ why: tooLarge(bytes.length) }] };
  const blocks = yield* blocksOf(bytes);
  if (blocks.length === 0) return { crls: [], unusable: [{ why: "it contains no CRL" }] };
  const crls: Crl[] = [];
  const unusable: UnusableCrl[] = [];
  for (const { label, der } of blocks) {
    if (der === undefined) {
      unusable.push({ why: `a PEM block${label === "" ? "" : ` (${label})`} is cut off or broken` });
      continue;
    }
    const read = yield* readCrl(der);
    if ("why" in read) unusable.push(read);
    else crls.push(read);
  }
  return { crls, unusable };
}

/** Why a file of so many bytes is not read. */
export function tooLarge(size: number): string {
  return `it has ${Math.ceil(size / 1_048_576)} MiB; at most ${MAX_CRL_BYTES / 1_048_576} MiB are read`;
}

function* blocksOf(bytes: Uint8Array): Steps<ScannedBlock[]> {
  // A CRL in DER begins with a byte that no text does.
  const isDer = bytes[0] === 0x30 && (bytes[1] ?? 0) >= 0x80;
  if (isDer || !(yield* hasPem(bytes))) {
    return bytes.length === 0 ? [] : [{ label: "", der: new Uint8Array(bytes) }];
  }
  return (yield* scanPem(bytes)).filter(({ label, der }) => CRL_LABELS.has(label) || der === undefined);
}
