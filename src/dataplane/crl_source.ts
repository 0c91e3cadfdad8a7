import type { Certificate } from "../tls/x509/certificate.ts";
import type { CrlReading, UnusableCrl } from "../tls/x509/crl/crl.ts";
import { CrlSet } from "../tls/x509/crl/set.ts";
import { verifyCrls } from "../tls/x509/crl/signature.ts";
import { type CrlContent, crlContent } from "./crl_content.ts";

/** CRLs as plain data, and how they are used. */
export interface CrlSource {
  readonly files: readonly CrlSourceFile[];
  /** Which certificates of a chain are checked. */
  readonly checks: "chain" | "leaf";
  /** How long a CRL without nextUpdate may be used, in milliseconds; absent: not at all. */
  readonly maxAgeMs?: number | undefined;
}

/** One file of CRLs. */
export interface CrlSourceFile {
  /** For errors. */
  readonly path: string;
  /** What is in the file; absent: it can't be read. */
  readonly bytes?: Uint8Array<ArrayBuffer> | undefined;
  /** Why it can't be read. */
  readonly fault?: string | undefined;
}

/** What a file of CRLs has. */
export interface CrlFileReading extends CrlReading {
  /** What was read, which stays in memory while it is referred to. */
  readonly content?: CrlContent;
}

/** Reads the CRLs of a file. What can't be used is in `unusable`, with the name of the file. */
export async function readCrlFile({ path, bytes, fault = "" }: CrlSourceFile): Promise<CrlFileReading> {
  if (bytes === undefined) return { crls: [], unusable: [{ why: fault }] };
  const content = await crlContent(bytes);
  const { crls, unusable } = content.reading;
  return { content, crls, unusable: unusable.map((each) => withPath(each, path)) };
}

/**
 * Makes the set of CRLs that a gate uses, and verifies the signatures of those that the `authorities` have issued. It
 * fails closed: clients of an issuer without a usable CRL are refused.
 */
export async function buildCrlSet(
  { files, checks, maxAgeMs }: CrlSource,
  authorities: readonly Certificate[],
): Promise<{ set: CrlSet; readings: readonly CrlFileReading[] }> {
  const readings: CrlFileReading[] = [];
  for (const file of files) readings.push(await readCrlFile(file));
  const crls = readings.flatMap((reading) => reading.crls);
  await verifyCrls(crls, authorities);
  const unusable = readings.flatMap((reading) => reading.unusable);
  return { set: new CrlSet(crls, { unusable, checks, maxAgeMs }), readings };
}

function withPath(crl: UnusableCrl, path: string): UnusableCrl {
  const why = crl.issuer === undefined ? `cannot use "${path}": ${crl.why}` : `${crl.why} ("${path}")`;
  return { ...crl, why };
}
