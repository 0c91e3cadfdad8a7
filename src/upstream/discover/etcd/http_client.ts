import { CulvertError, describeError } from "../../../core/errors.ts";
import type { EtcdTls } from "./options.ts";

/**
 * Reads an endpoint: `http://` or `https://`, a host, and a port if it is not the scheme's. Returns it in its
 * normal form, without a slash at the end.
 *
 * @throws {CulvertError} `bad_etcd_endpoint` for anything else.
 */
export function parseEtcdEndpoint(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const bare = url !== undefined && /^https?:\/\/[^/?#@\\]+\/?$/i.test(text);
  if (!bare || (url.protocol !== "http:" && url.protocol !== "https:")) {
    const form = "expected a URL such as http://127.0.0.1:2379, without a path and a user";
    throw new CulvertError("bad_etcd_endpoint", `Cannot use etcd endpoint "${withoutUser(text)}": ${form}`);
  }
  return url.origin;
}

/**
 * What `fetch` reaches an endpoint with. Whoever asks for it closes it.
 *
 * @throws {CulvertError} `bad_etcd_tls` for certificates and keys that can't be used.
 */
export function createEtcdClient(endpoint: string, tls: EtcdTls | undefined): Deno.HttpClient {
  const url = new URL(endpoint);
  // HTTP/1.1, so that a watch and the check of it take a connection each.
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
 * The endpoint itself as what everything goes through: otherwise requests would go through what the environment's
 * HTTP_PROXY names, which no permission keeps them from. It writes the whole URL into the request line, which every
 * server of HTTP/1.1 takes (RFC 9112, 3.2.2). With `https` it would leave TLS out.
 */
function direct(url: URL): Deno.Proxy {
  return { transport: "tcp", hostname: url.hostname, port: Number(url.port || 80) };
}

function withoutUser(text: string): string {
  return text.replace(/\/\/.*@/, "//…@");
}
