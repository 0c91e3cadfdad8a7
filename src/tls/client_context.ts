import tls from "node:tls";
import { CulvertError } from "../core/errors.ts";
import { Caution } from "./caution.ts";
import { parseIp } from "../net/ip.ts";
import { credentialWarnings, type OwnCredentials, readCredentials } from "./session/credentials.ts";
import type { PathAuthorizer } from "./x509/path/check.ts";
import type { TlsVersion } from "./session/server_context.ts";
import { TrustStore } from "./x509/path/trust_store.ts";
import type { VerifyPeer } from "./authorize/verify_peer.ts";

/** What {@linkcode ClientContext} is made of. */
export interface ClientContextOptions {
  /** The only CAs that are trusted, in PEM. @default the runtime's roots */
  readonly ca?: string | undefined;
  /** The client certificate in PEM, followed by those between it and the root. Needs `key`. */
  readonly cert?: string | undefined;
  /** Its private key in PEM. */
  readonly key?: string | undefined;
  /**
   * The name to verify: a DNS name, which is sent as SNI, or an IP address, which is not. Empty: none.
   */
  readonly serverName: string;
  /** `false` accepts any certificate. @default {true} */
  readonly verify?: boolean;
  /** Whether the certificate must be one for `serverName`. @default {true} unless `serverName` is empty */
  readonly verifyName?: boolean;
  /** Asked about the peer in the end, in full and in resumed handshakes, when all else is good. */
  readonly verifyPeer?: VerifyPeer | undefined;
  /**
   * What a verified path must be good for; needs `ca`.
   *
   * @internal
   */
  readonly authorizer?: PathAuthorizer | undefined;
  /**
   * The protocols that are offered by ALPN (RFC 7301), the preferred one first. A server need not select one: a session
   * without a protocol is a good one, and `TlsSession.alpn` tells. One that refuses them all sends an alert.
   */
  readonly alpn?: readonly string[];
  /** The oldest version that is spoken. @default {"1.2"} */
  readonly minVersion?: TlsVersion;
  /** The newest version that is spoken. @default {"1.3"} */
  readonly maxVersion?: TlsVersion;
  /** Tells the time, for dates. @default {Date.now} */
  readonly now?: () => number;
}

/** The TLS of a client: checked, immutable but for `caution`, for any number of connections. */
export class ClientContext {
  readonly serverName: string;
  readonly verify: boolean;
  readonly verifyName: boolean;
  readonly verifyPeer: VerifyPeer | undefined;
  /** What a verified path must be good for, where there is `trust`. */
  readonly authorizer: PathAuthorizer | undefined;
  /** The only CAs that are trusted; `undefined`: the runtime's roots. */
  readonly trust: TrustStore | undefined;
  /** The client certificate and its key; absent: none is presented. */
  readonly credentials: OwnCredentials | undefined;
  readonly now: () => number;
  /** What servers have cost so far. */
  readonly caution: Caution;
  readonly #newest: Readonly<tls.ConnectionOptions>;
  readonly #cautious: Readonly<tls.ConnectionOptions>;

  /**
   * Checks everything: the engine accepts bad certificates and keys without an error.
   *
   * @throws {CulvertError} `bad_certificate` for certificates, keys and CAs that can't be used, and
   * `bad_tls_options` for options that don't go together.
   */
  constructor(options: ClientContextOptions) {
    const { ca, cert, key, serverName, verify = true, alpn = [], now = Date.now } = options;
    const { minVersion = "1.2", maxVersion = "1.3" } = options;
    const verifyName = options.verifyName ?? serverName !== "";
    if (minVersion > maxVersion) throw badOptions("minVersion is above maxVersion");
    if (verifyName && serverName === "") throw badOptions("there is no name to verify");
    this.serverName = serverName;
    this.verify = verify;
    this.verifyName = verifyName;
    this.verifyPeer = options.verifyPeer;
    this.authorizer = options.authorizer;
    this.now = now;
    this.trust = ca === undefined ? undefined : new TrustStore(ca);
    const own = credentialsOf(cert, key);
    this.credentials = own;
    const engineFor = (newest: TlsVersion): tls.ConnectionOptions => ({
      secureContext: tls.createSecureContext({
        // Not the CAs: they would not shorten the engine's search for a path, and the chain is verified here.
        ...(ca === undefined ? {} : { ca: [] }),
        ...(own === undefined ? {} : { cert: own.certPem, key: own.keyPem }),
        minVersion: `TLSv${minVersion}`,
        maxVersion: `TLSv${newest}`,
      }),
      servername: parseIp(serverName) === undefined ? serverName : "",
      // Always said: an environment variable (NODE_TLS_REJECT_UNAUTHORIZED) would decide otherwise. With CAs of
      // our own `connectTls` verifies the chain. The runtime's roots only the engine has, and with `true` it gives
      // up by itself; it also keeps the sessions that were made with `true` apart from the others
      // (https://github.com/denoland/deno/pull/34097).
      rejectUnauthorized: verify && ca === undefined,
      // The engine reads names from a text. They are looked at in `connectTls`, as they stand in the
      // certificate.
      checkServerIdentity: () => undefined,
      ...(alpn.length === 0 ? {} : { ALPNProtocols: [...alpn] }),
    });
    this.caution = new Caution({ minVersion, maxVersion, now });
    this.#newest = engineFor(maxVersion);
    this.#cautious = minVersion === "1.2" && maxVersion === "1.3" ? engineFor("1.2") : this.#newest;
  }

  /** What servers may reject the client certificate for. */
  get warnings(): readonly string[] {
    const { credentials, now } = this;
    return credentials === undefined
      ? []
      : credentialWarnings(credentials, { usage: "client", now: new Date(now()) });
  }

  /** For the engine, without the stream: by TLS 1.2 alone where there is reason for caution. */
  get engine(): Readonly<tls.ConnectionOptions> {
    return this.caution.isDue ? this.#cautious : this.#newest;
  }
}

function credentialsOf(certPem: string | undefined, keyPem: string | undefined): OwnCredentials | undefined {
  if (certPem === undefined && keyPem === undefined) return undefined;
  if (certPem === undefined || keyPem === undefined) throw badOptions("cert and key must be given together");
  return readCredentials({ certPem, keyPem });
}

function badOptions(why: string): CulvertError {
  return new CulvertError("bad_tls_options", `Cannot use these TLS options: ${why}`);
}
