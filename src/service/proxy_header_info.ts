import { clientAddress } from "../net/client_address.ts";
import type { ProxyTls } from "../net/proxy_protocol/header.ts";
import type { ProxyHeaderInfo } from "../upstream/client_header.ts";
import type { ClientHandshake, TerminatedTls } from "./client_handshake.ts";

/** What a PROXY header tells a backend about a client. */
export function proxyHeaderInfo(client: ClientHandshake): ProxyHeaderInfo {
  const { address, destination, localAddr, tls, serverName, tlvs } = client;
  return {
    source: address,
    destination: destination ?? (localAddr && clientAddress(localAddr)),
    uniqueId: crypto.randomUUID(),
    tls: tls && proxyTls(tls),
    authority: serverName,
    alpn: tls?.session.alpn,
    tlvs,
  };
}

/** The specification wants the cipher by OpenSSL's name. */
function proxyTls({ session, peer: identity, algorithms }: TerminatedTls): ProxyTls {
  const { protocol, opensslCipher: cipher, resumed, peer } = session;
  const known = { ...(protocol && { version: protocol }), ...(cipher && { cipher }), ...algorithms };
  if (identity === undefined) return { clientCertificate: "none", verified: false, ...known };
  const [commonName] = identity.commonNames;
  return {
    clientCertificate: resumed ? "session" : "connection",
    verified: true,
    ...known,
    ...(commonName === undefined ? {} : { commonName }),
    ...(peer === undefined ? {} : { clientCertificateDer: peer.chain[0]! }),
  };
}
