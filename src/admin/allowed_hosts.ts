import type { Address } from "../net/address.ts";
import { formatIp, parseIp, parseIpv6 } from "../net/ip.ts";

/** Options of {@linkcode AllowedHosts}. */
export interface AllowedHostsOptions {
  /** Where the listener is bound, with the port that was picked. */
  readonly address: Address;
  /** The listener speaks TLS, whose default port is another one. */
  readonly tls: boolean;
  /**
   * Further names, such as those of its certificate: asked each time, as that may change. `*.example.org` stands for
   * one label. They hold with the listener's port.
   */
  readonly names?: () => readonly string[];
}

const SELF = ["localhost", "127.0.0.1", "::1"];

/**
 * What a client may call the admin listener, in `Host` and in `Origin`.
 *
 * A page from anywhere can make its own name lead to 127.0.0.1 and so have a browser ask us (DNS rebinding); it can't
 * make the browser send another `Host` than that name. And what a page sends to us under our own name comes with the
 * page's `Origin`.
 */
export class AllowedHosts {
  readonly #hosts: readonly string[];
  /** The default port of a unix socket's listener stands for all: it has none. */
  readonly #port: number;
  readonly #defaultPort: number;
  readonly #names: () => readonly string[];

  constructor({ address, tls, names = () => [] }: AllowedHostsOptions) {
    this.#defaultPort = tls ? 443 : 80;
    this.#port = address.kind === "tcp" ? address.port : this.#defaultPort;
    this.#hosts = address.kind === "tcp" ? [...SELF, canonical(address.host)] : ["localhost"];
    this.#names = names;
  }

  /** Whether a request with this `Host` is meant for us. */
  isHost(host: string): boolean {
    return this.#isOurs(host, this.#defaultPort);
  }

  /** Whether a page of this `Origin` is one of ours. */
  isOrigin(origin: string): boolean {
    const match = /^(https?):\/\/(.*)$/.exec(origin.toLowerCase());
    return match !== null && this.#isOurs(match[2]!, match[1] === "https" ? 443 : 80);
  }

  #isOurs(text: string, defaultPort: number): boolean {
    const match = /^(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+))(?::(\d{1,5}))?$/.exec(text.toLowerCase());
    if (match === null) return false;
    const [, ipv6, name = "", port] = match;
    if (ipv6 !== undefined && parseIpv6(ipv6) === undefined) return false;
    if ((port === undefined ? defaultPort : Number(port)) !== this.#port) return false;
    const host = canonical(ipv6 ?? name);
    return this.#hosts.includes(host) || this.#names().some((pattern) => isGood(pattern.toLowerCase(), host));
  }
}

/** A wildcard stands for exactly the first label, and not for what comes before a whole domain. */
function isGood(pattern: string, host: string): boolean {
  if (!pattern.startsWith("*.")) return canonical(pattern) === host;
  const dot = host.indexOf(".");
  return dot > 0 && parseIp(host) === undefined && host.slice(dot) === pattern.slice(1) &&
    pattern.indexOf(".", 2) !== -1;
}

function canonical(host: string): string {
  const ip = parseIp(host);
  return ip === undefined ? host.toLowerCase() : formatIp(ip);
}
