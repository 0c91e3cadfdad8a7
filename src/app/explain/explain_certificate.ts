import type { Path } from "../../config/problem/problem.ts";
import { refusedName, type TlsGate } from "../../tls/gate.ts";
import { TlsHandshakeError } from "../../tls/session/handshake_errors.ts";
import type { Certificate } from "../../tls/x509/certificate.ts";
import { identityOf, nameOf } from "../../tls/x509/identity.ts";
import type { ServicePlace } from "./explain_admission.ts";
import type { Trace } from "./imagined.ts";

/** What is known of the certificate of the client. */
export interface CertificateVerdict {
  /** Why the client is rejected. */
  readonly refusal?: `tls-${string}`;
  /** The name of its verified certificate. */
  readonly identity?: string;
}

/** Decides about the certificates of a client: chain, trust domain, CRLs, rules. */
export function explainCertificate(
  gate: TlsGate,
  chain: readonly Uint8Array[],
  { place, trace }: { place: ServicePlace; trace: Trace },
): CertificateVerdict {
  const tls = [...place.path, "tls"];
  const auth = [...tls, "clientAuth"];
  const clientAuth = place.config.tls?.clientAuth;
  if (clientAuth === undefined) {
    trace.pass("certificate", "the client is asked for no certificate", tls);
    return {};
  }
  let path: readonly Certificate[] | undefined;
  try {
    path = gate.checkClient(chain);
  } catch (error) {
    if (!(error instanceof TlsHandshakeError)) throw error;
    return { refusal: explainRefusal(error, { auth, hasCrl: clientAuth.crlPaths !== undefined, trace }) };
  }
  if (path === undefined) {
    trace.pass("certificate", "the client may connect without a certificate", [...auth, "mode"]);
    return {};
  }
  const names = path.slice(1).map(({ subjectName }) => subjectName);
  const issuers = names.length === 0 ? "is trusted itself" : `is issued by ${names.join(", ")}`;
  trace.pass("certificate", `${path[0]!.subjectName} ${issuers}, and valid now`, [...auth, "ca"]);
  const crls = gate.trust.crlsFor(path);
  if (crls !== undefined) trace.pass("crl", "no certificate of the chain is revoked", [...auth, "crl"]);
  const rule = gate.trust.ruleFor(path)!;
  const index = gate.trust.options.allow?.indexOf(rule) ?? -1;
  const identity = nameOf(identityOf(path[0]!));
  trace.pass("rule", `${identity} is allowed`, index === -1 ? [...auth, "allow"] : [...auth, "allow", index]);
  return { identity };
}

function explainRefusal(
  error: TlsHandshakeError,
  { auth, hasCrl, trace }: { auth: Path; hasCrl: boolean; trace: Trace },
): `tls-${string}` {
  const { reason } = error;
  const key = keyOf(reason);
  const name = refusedName(error) ?? "the certificate";
  if (key === "crl" || key === "allow") trace.pass("certificate", `${name} is trusted`, [...auth, "ca"]);
  if (key === "allow" && hasCrl) {
    trace.pass("crl", "no certificate of the chain is revoked", [...auth, "crl"]);
  }
  trace.refuse(key === "crl" ? "crl" : key === "allow" ? "rule" : "certificate", error.message, [
    ...auth,
    key,
  ]);
  return `tls-${reason}`;
}

/** The key of `clientAuth` that a reason of a rejected certificate comes from. */
function keyOf(reason: string): "mode" | "crl" | "allow" | "trustDomains" | "ca" {
  if (reason === "no-certificate") return "mode";
  if (reason === "revoked" || reason.startsWith("crl-")) return "crl";
  if (reason === "not-allowed") return "allow";
  return reason === "wrong-trust-domain" ? "trustDomains" : "ca";
}
