import { Buffer } from "node:buffer";
import { CLIENT_FIELDS } from "../http/known_fields.ts";
import { type AddressSet, parseAddressSet } from "../net/address_set.ts";
import type { ClientAddress } from "../net/client_address.ts";
import { clientOfForwarded, clientOfList, quotedHost } from "./forwarded_chain.ts";
import { canonicalName, type Field, fieldValue } from "./header_rules.ts";
import type { HttpServiceOptions } from "./options.ts";
import { isGoodRequestId, newRequestId } from "./request_id.ts";

/** What of the options is about the fields that tell backends of the client. */
export type ForwardedOptions = Pick<
  HttpServiceOptions,
  "forwarded" | "trusted" | "via" | "requestId" | "clientCert" | "identityHeader"
>;

/** What is known of a client once its connection is there. */
export interface ClientConnection {
  /** The address of the peer, or that of the PROXY header. */
  readonly peer: ClientAddress;
  /** The port that the client connected to. */
  readonly localPort: number;
  readonly isTls: boolean;
  /** The verified identity; absent without a client certificate. */
  readonly identity?: string;
  /** The verified certificate as DER. */
  readonly certificate?: Uint8Array;
}

/** The same, ready for each request of the connection. */
export interface ClientFacts {
  readonly ip: string;
  readonly port: number;
  readonly localPort: number;
  readonly scheme: "http" | "https";
  /** Whether what it says of others is believed. */
  readonly isTrusted: boolean;
  readonly identity: string | undefined;
  /** Fields that are the same for each request: Client-Cert and the identity. */
  readonly fixed: readonly Field[];
  /** What is written for a client that is not trusted, by its host, as it is mostly the same each time. */
  last: { readonly host: string; readonly fields: readonly Field[] } | undefined;
}

/** Fields of a request of a trusted peer, each joined by `, ` where it is there more than once. */
export interface IncomingFields {
  readonly forwardedFor?: string | undefined;
  readonly forwardedHost?: string | undefined;
  readonly forwardedProto?: string | undefined;
  readonly forwardedPort?: string | undefined;
  readonly forwarded?: string | undefined;
}

/** Where a request comes from, past trusted proxies. */
export interface RequestOrigin {
  /** The client's IP address; `unix` for a unix socket. */
  readonly clientIp: string;
  readonly scheme: "http" | "https";
  /** The host that the client asked for, with its port. */
  readonly host: string;
}

/** Fields about the client that only a trusted proxy may send. */
const OUTSIDE = [
  ...CLIENT_FIELDS,
  // Some applications take these for the target, and so would pass by the routes.
  "x-original-url",
  "x-rewrite-url",
  "x-original-host",
] as const;
const X_FIELDS = [
  "x-forwarded-for",
  "x-forwarded-host",
  "x-forwarded-proto",
  "x-forwarded-port",
  "x-real-ip",
];
const CERTIFICATE_FIELDS = ["client-cert", "client-cert-chain", "x-forwarded-client-cert"];
const PORT = /^\d{1,5}$/;
const HOST = /^(?:[\w.-]+|\[[0-9a-f:.]+\])(?::\d{1,5})?$/i;

/** The fields that tell backends of the client, as a service's options have it. Immutable. */
export class Forwarding {
  readonly #options: ForwardedOptions;
  readonly #trusted: AddressSet;

  /** @throws {CulvertError} `bad_address_set`. */
  constructor(options: ForwardedOptions) {
    this.#options = options;
    this.#trusted = parseAddressSet(options.trusted);
  }

  /** Looks at a client, once for its connection. */
  facts({ peer, localPort, isTls, identity, certificate }: ClientConnection): ClientFacts {
    return {
      ip: peer.ip,
      port: peer.port,
      localPort,
      scheme: isTls ? "https" : "http",
      isTrusted: this.#trusted.has(peer.ip),
      identity,
      fixed: this.#fixedFields(identity, certificate),
      last: undefined,
    };
  }

  /**
   * The fields of a request that are not passed on: what only a trusted proxy may say, and what is written by
   * {@linkcode Forwarding.fields}. In lower case; a spelling with underscores is the same field.
   */
  dropped({ isTrusted, fixed }: ClientFacts): readonly string[] {
    const { forwarded, identityHeader, requestId, via } = this.#options;
    const own = forwarded === "none" ? [] : ["forwarded", ...X_FIELDS];
    return [
      ...(isTrusted ? own : OUTSIDE),
      ...(isTrusted && fixed.length > 0 ? CERTIFICATE_FIELDS : []),
      ...(identityHeader === undefined ? [] : [canonicalName(identityHeader)]),
      ...(requestId ? ["x-request-id"] : []),
      ...(via === undefined ? [] : ["via"]),
    ];
  }

  /**
   * Where a request comes from. Without `incoming`, from the peer itself.
   *
   * @param host As the client named it, with its port.
   */
  origin({ ip, scheme, isTrusted }: ClientFacts, host: string, incoming?: IncomingFields): RequestOrigin {
    if (!isTrusted || incoming === undefined) return { clientIp: ip, scheme, host };
    const { forwardedProto: proto, forwardedHost } = incoming;
    return {
      clientIp: this.#clientIp(ip, incoming),
      scheme: proto === "http" || proto === "https" ? proto : scheme,
      host: forwardedHost !== undefined && HOST.test(forwardedHost) ? forwardedHost : host,
    };
  }

  /** From the right, the first address that is not a trusted proxy's. */
  #clientIp(ip: string, { forwardedFor, forwarded }: IncomingFields): string {
    const chain = { trusted: this.#trusted, peer: ip };
    if (this.#options.forwarded === "rfc7239") return clientOfForwarded(forwarded, chain);
    if (forwardedFor !== undefined || this.#options.forwarded === "x") {
      return clientOfList(forwardedFor, chain);
    }
    return clientOfForwarded(forwarded, chain);
  }

  /** The fields to write for a request. */
  fields(facts: ClientFacts, origin: RequestOrigin, incoming?: IncomingFields): readonly Field[] {
    if (facts.isTrusted) return [...this.#chainFields(facts, origin, incoming ?? {}), ...facts.fixed];
    if (facts.last?.host !== origin.host) {
      const fields = [...this.#chainFields(facts, origin, {}), ...facts.fixed];
      facts.last = { host: origin.host, fields };
    }
    return facts.last.fields;
  }

  /** Via for the next hop; `undefined` where none is asked for. `incoming` is what came, joined by `, `. */
  via(version: string, incoming?: string): string | undefined {
    const { via } = this.#options;
    if (via === undefined) return undefined;
    return incoming === undefined ? `${version} ${via}` : `${incoming}, ${version} ${via}`;
  }

  /** The id of a request: what a trusted proxy sent, else a new one. */
  requestId({ isTrusted }: ClientFacts, incoming?: string): string {
    return isTrusted && incoming !== undefined && isGoodRequestId(incoming) ? incoming : newRequestId();
  }

  #chainFields(facts: ClientFacts, origin: RequestOrigin, incoming: IncomingFields): Field[] {
    const { forwarded } = this.#options;
    const fields: Field[] = [];
    if (forwarded === "x" || forwarded === "both") fields.push(...xFields(facts, origin, incoming));
    if (forwarded === "rfc7239" || forwarded === "both") {
      const element = forwardedElement(facts, origin);
      const chain = incoming.forwarded === undefined ? element : `${incoming.forwarded}, ${element}`;
      fields.push(["Forwarded", chain]);
    }
    return fields;
  }

  #fixedFields(identity: string | undefined, certificate: Uint8Array | undefined): Field[] {
    const { clientCert, identityHeader } = this.#options;
    const fields: Field[] = [];
    if (clientCert && certificate !== undefined) {
      // RFC 9440 section 2.1: a byte sequence of RFC 8941.
      fields.push(["Client-Cert", `:${Buffer.from(certificate).toString("base64")}:`]);
    }
    const value = identity === undefined ? undefined : fieldValue(identity);
    if (identityHeader !== undefined && value !== undefined) fields.push([identityHeader, value]);
    return fields;
  }
}

function xFields(facts: ClientFacts, origin: RequestOrigin, incoming: IncomingFields): Field[] {
  const { forwardedFor, forwardedPort } = incoming;
  const isUnix = facts.ip === "unix";
  const chain = isUnix
    ? forwardedFor
    : forwardedFor === undefined
    ? facts.ip
    : `${forwardedFor}, ${facts.ip}`;
  const fields: Field[] = [];
  if (chain !== undefined) fields.push(["X-Forwarded-For", chain]);
  if (origin.host !== "") fields.push(["X-Forwarded-Host", origin.host]);
  fields.push(["X-Forwarded-Proto", origin.scheme]);
  const port = forwardedPort !== undefined && PORT.test(forwardedPort) ? forwardedPort : facts.localPort;
  if (Number(port) > 0) fields.push(["X-Forwarded-Port", String(port)]);
  if (origin.clientIp !== "unix") fields.push(["X-Real-IP", origin.clientIp]);
  return fields;
}

/** RFC 7239 section 4. An address of IPv6 and a host with a port are quoted. */
function forwardedElement({ ip, scheme }: ClientFacts, { host }: RequestOrigin): string {
  const node = ip === "unix" ? "unknown" : ip.includes(":") ? `"[${ip}]"` : ip;
  const named = host === "" ? "" : `;host=${quotedHost(host)}`;
  return `for=${node}${named};proto=${scheme}`;
}
