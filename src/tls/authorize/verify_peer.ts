import { TlsHandshakeError } from "../session/handshake_errors.ts";
import { verifyChain, type VerifyOptions } from "../x509/path/chain.ts";
import type { TrustStore } from "../x509/path/trust_store.ts";

/** A decision about a peer's certificates. `reason` is a stable word for counting, `detail` a sentence. */
export type PeerVerdict =
  | { readonly ok: true }
  | { readonly ok: false; readonly reason: string; readonly detail?: string };

/** Looks at the certificates that a peer has sent (DER, the leaf first). Whatever it throws is a refusal. */
export type VerifyPeer = (chain: readonly Uint8Array[]) => PeerVerdict;

/** Verifies that a chain leads to a trusted CA and holds now, as the engine does in a full handshake. */
export function chainVerifier(
  trust: TrustStore,
  options: Pick<VerifyOptions, "usage" | "authorizer"> & { now: () => number },
): VerifyPeer {
  const { usage, authorizer, now } = options;
  return (chain) => {
    const verdict = verifyChain(chain, { trust, now: new Date(now()), usage, authorizer });
    return verdict.trusted ? { ok: true } : { ok: false, reason: verdict.reason, detail: verdict.detail };
  };
}

/**
 * Lets `verify` look at a chain. Anything but a yes is a refusal.
 *
 * @throws {TlsHandshakeError} with the reason of the verdict, or `failed` when `verify` has thrown.
 */
export function requireVerdict(chain: readonly Uint8Array[], verify: VerifyPeer): void {
  let verdict: PeerVerdict;
  try {
    verdict = verify(chain);
  } catch (cause) {
    throw new TlsHandshakeError("failed", { detail: "its certificate could not be verified", chain, cause });
  }
  if (verdict?.ok === true) return;
  const { reason, detail = `its certificate is rejected: ${reason}` } = verdict;
  throw new TlsHandshakeError(reason, { detail, chain });
}
