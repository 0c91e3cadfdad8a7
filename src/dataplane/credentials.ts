import type { BufferPool } from "../net/buffers.ts";
import type { Dial } from "../net/dial.ts";
import type { RuntimeTls } from "../net/listen.ts";
import type { ClientTrustOptions, TrustDomainOptions } from "../tls/authorize/client_trust.ts";
import type { AllowRule } from "../tls/authorize/rules.ts";
import { type TlsConnect, tlsConnector } from "../tls/dial.ts";
import { TlsGate } from "../tls/gate.ts";
import type { TlsVersion } from "../tls/session/server_context.ts";
import type { StartTlsName } from "../tls/starttls/protocol.ts";
import type { CrlSet } from "../tls/x509/crl/set.ts";
import { TrustStore } from "../tls/x509/path/trust_store.ts";
import { buildCrlSet, type CrlSource } from "./crl_source.ts";

// Certificates, keys, CAs, rules and CRLs as plain data, and what is made of them.

/** The TLS that a service speaks with its clients. */
export interface ServerCredentials {
  /** The chain in PEM, the server's certificate first. */
  readonly cert: string;
  /** The private key in PEM. */
  readonly key: string;
  readonly minVersion: TlsVersion;
  readonly maxVersion: TlsVersion;
  readonly alpn: readonly string[];
  /** The protocol in which clients ask for TLS. @default TLS is spoken from the first byte on */
  readonly starttls?: StartTlsName | undefined;
  /** The runtime speaks TLS (`Deno.listenTls`); with the file of the certificate, for errors. @default {false} */
  readonly native?: { readonly certPath: string } | undefined;
  /** Mutual TLS; absent: no certificate is requested. */
  readonly clientAuth?: ClientAuthCredentials | undefined;
}

/** Which client certificates are accepted. */
export interface ClientAuthCredentials {
  readonly mode: "require" | "optional";
  /** CAs in PEM. Absent only where there are `trustDomains`. */
  readonly ca?: string | undefined;
  /** Absent: revocation is not checked. */
  readonly crls?: CrlSource | undefined;
  /** SPIFFE trust domains by their names. */
  readonly trustDomains?: Readonly<Record<string, TrustDomainCredentials>> | undefined;
  /** The `ca` of a rule is PEM. */
  readonly allow: readonly AllowRule[];
}

/** The bundle of a SPIFFE trust domain. */
export interface TrustDomainCredentials {
  /** CAs in PEM. */
  readonly ca: string;
  /** Absent: revocation is not checked. */
  readonly crls?: CrlSource | undefined;
}

/** The TLS that is spoken with the backends of an upstream. */
export interface BackendCredentials {
  /** CAs in PEM. @default the runtime's roots */
  readonly ca?: string | undefined;
  /** The chain in PEM, the client's certificate first; absent: none is sent. */
  readonly cert?: string | undefined;
  /** The private key in PEM. */
  readonly key?: string | undefined;
  /** @default the host of each backend */
  readonly serverName?: string | undefined;
  readonly minVersion: TlsVersion;
  readonly maxVersion: TlsVersion;
  readonly alpn: readonly string[];
  readonly starttls?: StartTlsName | undefined;
  readonly verify: boolean;
  /** The `ca` of a rule is PEM. */
  readonly allow?: readonly AllowRule[] | undefined;
}

/**
 * Makes the gate of a service. Large bundles and CRLs are read in slices.
 *
 * @throws {CulvertError} `bad_certificate`, `bad_tls_options` or `bad_rule`.
 */
export async function buildGate(credentials: ServerCredentials): Promise<TlsGate> {
  const { clientAuth, native: _, ...own } = credentials;
  if (clientAuth === undefined) return new TlsGate(own);
  const stores = await readStores(clientAuth); // The gate finds them by their text.
  const gate = new TlsGate({ ...own, clientAuth: clientAuth.mode, ...await buildTrust(clientAuth) });
  stores.length = 0; // Only now: a store that nothing refers to may be forgotten.
  return gate;
}

/** What the runtime needs to know to speak the TLS of a service; `undefined` where it does not speak it. */
export function runtimeTlsOf(credentials: ServerCredentials | undefined): RuntimeTls | undefined {
  if (credentials?.native === undefined) return undefined;
  const { cert, key, alpn, native: { certPath } } = credentials;
  return { cert, key, alpn, certPath };
}

/** What speaks TLS with the backends of an upstream. */
export interface BackendTls {
  /** The same text stands for the same TLS: connections made by it can be used. */
  readonly fingerprint: string;
  readonly connectTls: TlsConnect;
}

/** What {@linkcode backendTls} works with. */
export interface BackendTlsParts {
  readonly dial: Dial;
  readonly buffers: BufferPool;
  /** @default {buildConnector} */
  readonly buildConnector?: typeof buildConnector;
}

/**
 * What speaks TLS by these credentials: `running`, if that is the same.
 *
 * @throws {CulvertError} as {@linkcode buildConnector}.
 */
export function backendTls(
  credentials: BackendCredentials,
  { parts, running }: { parts: BackendTlsParts; running: BackendTls | undefined },
): BackendTls {
  const fingerprint = JSON.stringify(credentials);
  if (running?.fingerprint === fingerprint) return running;
  const { buildConnector: build = buildConnector } = parts;
  return { fingerprint, connectTls: build(credentials, parts) };
}

/**
 * Makes what speaks TLS with backends, which `dial` connects to.
 *
 * @throws {CulvertError} `bad_certificate`, `bad_tls_options` or `bad_rule`.
 */
export function buildConnector(
  credentials: BackendCredentials,
  parts: { dial: Dial; buffers: BufferPool },
): TlsConnect {
  return tlsConnector({ ...credentials, ...parts });
}

async function readStores({ ca, trustDomains = {} }: ClientAuthCredentials): Promise<TrustStore[]> {
  const pems = [ca, ...Object.values(trustDomains).map((domain) => domain.ca)];
  return await Promise.all(pems.filter((pem) => pem !== undefined).map((pem) => TrustStore.read(pem)));
}

async function buildTrust(
  { ca, crls, trustDomains, allow }: ClientAuthCredentials,
): Promise<ClientTrustOptions> {
  const domains: [name: string, TrustDomainOptions][] = [];
  for (const [name, domain] of Object.entries(trustDomains ?? {})) {
    domains.push([name, { ca: domain.ca, crls: domain.crls && await setOf(domain.crls, domain.ca) }]);
  }
  return {
    ca,
    ...(ca === undefined || crls === undefined ? {} : { crls: await setOf(crls, ca) }),
    ...(trustDomains === undefined ? {} : { trustDomains: Object.fromEntries(domains) }),
    allow,
  };
}

async function setOf(crls: CrlSource, ca: string): Promise<CrlSet> {
  return (await buildCrlSet(crls, new TrustStore(ca).certificates)).set;
}
