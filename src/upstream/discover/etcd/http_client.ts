import { CulvertError, describeError } from "../../../core/errors.ts";
import type { EtcdTls } from "./options.ts";

/**
 * Parses an endpoint: `http://` or `https://`, a host, and a port if it is not that of the scheme. Returns it normalized,
 * without a trailing slash.
 *
 * @throws {CulvertError} `bad_etcd_endpoint` if it is not valid.
 */
export function parseEtcdEndpoint(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const bare = url !== undefined && /^https?:\/\/[^/?#@\\]+\/?$/i.test(text);
  if (!bare || (url.protocol !== "http:" && url.protocol !== "https:")) {
    const shown = text.replace(/\/\/.*@/, "//…@"); // Without a password.
    const form = "expected a URL such as http://127.0.0.1:2379, without a path and a user";
    throw new CulvertError("bad_etcd_endpoint", `Cannot use etcd endpoint "${shown}": ${form}`);
  }
  return url.origin;
}

/**
 * The HTTP client for an endpoint. The caller closes it.
 *
 * @throws {CulvertError} `bad_etcd_tls` if a certificate or key can't be used.
 */
export function createEtcdClient(endpoint: string, tls: EtcdTls | undefined): Deno.HttpClient {
  const url = new URL(endpoint);
  // HTTP/1.1, so that a watch and its check use separate connections.
  if (url.protocol === "http:") return Deno.createHttpClient({ http2: false, proxy: direct(url) });
  const { ca, cert, key } = tls ?? {};
  try {
    if ((cert === undefined) !== (key === undefined)) throw new Error("cert and key need each other");
    return Deno.createHttpClient({
      http2: false,
      ...(ca === undefined ? {} : { caCerts: [ca] }),
      ...(cert === undefined || key === undefined ? {} : { cert, key }),
    });
  } catch (error) {
    const message = `Cannot use the TLS material for etcd: ${describeError(error)}`;
    throw new CulvertError("bad_etcd_tls", message, { cause: error });
  }
}

/**
 * The endpoint as its own proxy: otherwise requests would use the proxy of the environment variable HTTP_PROXY, which no
 * permission prevents. Requests then have the absolute form, which every HTTP/1.1 server accepts (RFC 9112, 3.2.2). Not
 * for `https`, as it would disable TLS.
 */
function direct(url: URL): Deno.Proxy {
  return { transport: "tcp", hostname: url.hostname, port: Number(url.port || 80) };
}
