import type { Address } from "../net/address.ts";
import { formatIp, parseIp, parseIpv6 } from "../net/ip.ts";

/** Options of {@linkcode AllowedHosts}. */
export interface AllowedHostsOptions {
  /** The bound address of the listener, with the actual port. */
  readonly address: Address;
  /** Whether connections use TLS, which has another default port. */
  readonly tls: boolean;
  /**
   * Further names, such as those of the certificate; asked for each request, because they may change. `*.example.org`
   * matches one label. They are valid with the port of the listener.
   */
  readonly names?: () => readonly string[];
}

const SELF = ["localhost", "127.0.0.1", "::1"];

/**
 * The names of the admin listener in `Host` and `Origin`.
 *
 * A page can resolve its own name to 127.0.0.1 and so make a browser send requests to the listener (DNS rebinding), but
 * the browser then sends that name as `Host`. If the page uses a name of the listener, the browser sends the page's
 * `Origin`.
 */
export class AllowedHosts {
  readonly #hosts: readonly string[];
  /** The default port for a unix socket, which has no port. */
  readonly #port: number;
  readonly #defaultPort: number;
  readonly #names: () => readonly string[];

  constructor({ address, tls, names = () => [] }: AllowedHostsOptions) {
    this.#defaultPort = tls ? 443 : 80;
    this.#port = address.kind === "tcp" ? address.port : this.#defaultPort;
    this.#hosts = address.kind === "tcp" ? [...SELF, canonical(address.host)] : ["localhost"];
    this.#names = names;
  }

  /** Whether this `Host` is a name of the listener. */
  isHost(host: string): boolean {
    return this.#isAllowed(host, this.#defaultPort);
  }

  /** Whether this `Origin` is a name of the listener. */
  isOrigin(origin: string): boolean {
    const match = /^(https?):\/\/(.*)$/.exec(origin.toLowerCase());
    return match !== null && this.#isAllowed(match[2]!, match[1] === "https" ? 443 : 80);
  }

  #isAllowed(text: string, defaultPort: number): boolean {
    const match = /^(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+))(?::(\d{1,5}))?$/.exec(text.toLowerCase());
    if (match === null) return false;
    const [, ipv6, name = "", port] = match;
    if (ipv6 !== undefined && parseIpv6(ipv6) === undefined) return false;
    if ((port === undefined ? defaultPort : Number(port)) !== this.#port) return false;
    const host = canonical(ipv6 ?? name);
    return this.#hosts.includes(host) ||
      this.#names().some((pattern) => matches(pattern.toLowerCase(), host));
  }
}

/** A wildcard matches exactly one label, and not below a top-level domain. */
function matches(pattern: string, host: string): boolean {
  if (!pattern.startsWith("*.")) return canonical(pattern) === host;
  const dot = host.indexOf(".");
  return dot > 0 && parseIp(host) === undefined && host.slice(dot) === pattern.slice(1) &&
    pattern.indexOf(".", 2) !== -1;
}

function canonical(host: string): string {
  const ip = parseIp(host);
  return ip === undefined ? host.toLowerCase() : formatIp(ip);
}
