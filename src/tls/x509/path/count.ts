import { CulvertError } from "../../../core/errors.ts";
import { parseFrame } from "../read_certificates.ts";

/** More steps than any honest chain takes, cross-signed CAs included. */
const MAX_STEPS = 64;

/** What a search for a path goes by. */
interface Link {
  readonly subject: string | undefined;
  readonly issuer: string | undefined;
}

/**
 * Whether a search among these certificates (DER, the leaf first) that tries every certificate whose subject is the
 * issuer of the one before it ends within {@linkcode MAX_STEPS} steps, whatever is trusted. No signature is verified.
 * A certificate that can't be read counts as one of every name.
 */
export function hasFewPaths(chain: readonly Uint8Array[]): boolean {
  if (chain.length > MAX_STEPS) return false;
  const [leaf, ...others] = chain.map(linkOf);
  if (leaf === undefined) return true;
  const used = new Set<Link>();
  let steps = 0;
  const search = (last: Link): boolean => {
    for (const next of others) {
      if (used.has(next) || !hasIssued(next, last)) continue;
      if (++steps > MAX_STEPS) return false;
      used.add(next);
      if (!search(next)) return false;
      used.delete(next);
    }
    return true;
  };
  return search(leaf);
}

function hasIssued({ subject }: Link, { issuer }: Link): boolean {
  return subject === undefined || issuer === undefined || subject === issuer;
}

function linkOf(der: Uint8Array): Link {
  try {
    const { subject, issuer } = parseFrame(der);
    return { subject, issuer };
  } catch (error) {
    if (!(error instanceof CulvertError)) throw error;
    return { subject: undefined, issuer: undefined };
  }
}
