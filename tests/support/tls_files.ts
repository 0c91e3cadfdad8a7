import type { Handler } from "./peers.ts";
import type { Culvert } from "./program.ts";
import { run } from "./child.ts";
import { TemporaryFolder } from "./folder.ts";
import type { LogRecord } from "./log_record.ts";
import { type ProxyConfig, proxyConfig } from "./proxy_config.ts";
import type { Issued } from "../../src/tls/authority/options.ts";

/** The files that a configuration with TLS names, in a folder of their own. */
export class TlsFiles implements AsyncDisposable {
  readonly folder = new TemporaryFolder();

  /** Puts a file in the place of the one of this name, by renaming it; its path. */
  put(name: string, content: string | Uint8Array): string {
    const path = this.folder.file(name);
    const next = `${path}.next`;
    if (typeof content === "string") Deno.writeTextFileSync(next, content);
    else Deno.writeFileSync(next, content);
    Deno.renameSync(next, path);
    return path;
  }

  /** Puts a certificate with its chain, and its key; as the keys of a configuration. */
  putOwn(name: string, { chainPem, keyPem }: Pick<Issued, "chainPem" | "keyPem">): OwnPaths {
    return { cert: this.put(`${name}.pem`, chainPem), key: this.put(`${name}.key`, keyPem) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.folder[Symbol.asyncDispose]();
  }
}

/** Where a certificate and its key are. */
export interface OwnPaths {
  readonly cert: string;
  readonly key: string;
}

/** A configuration whose service, or whose upstream, has these keys for `tls`. */
export function tlsConfig(
  { tls, upstreamTls, service = "", upstream = "", ...rest }: ProxyConfig & {
    readonly tls?: unknown;
    readonly upstreamTls?: unknown;
  },
): string {
  const more = (keys: string, value: unknown) =>
    [keys, value === undefined ? "" : `tls: ${JSON.stringify(value)}`].filter((text) => text !== "").join(
      ", ",
    );
  return proxyConfig({ ...rest, service: more(service, tls), upstream: more(upstream, upstreamTls) });
}

/** Says `hello`, sends back the first that comes, and ends. */
export const helloOnce: Handler = async (connection) => {
  await connection.write(new TextEncoder().encode("hello\n"));
  const buffer = new Uint8Array(4096);
  const count = await connection.read(buffer);
  if (count !== null) await connection.write(buffer.subarray(0, count));
};

/** The lines about finished connections, one after the other. */
export class AccessLines {
  readonly #culvert: Culvert;
  #seen = 0;

  constructor(culvert: Culvert) {
    this.#culvert = culvert;
  }

  /** The next one, as soon as it is there. */
  next(): Promise<LogRecord> {
    return this.#culvert.waitFor(isAccessLine, ++this.#seen);
  }

  /** The reason of the next one. */
  async reason(): Promise<unknown> {
    return (await this.next()).reason;
  }
}

function isAccessLine({ message }: LogRecord): boolean {
  return message === "connection refused" || message === "connection closed";
}

/** A client of OpenSSL's that can keep its tickets. */
export class OpensslClient implements AsyncDisposable {
  readonly #folder = new TemporaryFolder();
  readonly #version: string;

  constructor(version: "1.2" | "1.3") {
    this.#version = version === "1.2" ? "-tls1_2" : "-tls1_3";
  }

  /** Connects and says `ping`; resolves to what it has seen. */
  async talk(
    port: number,
    options: { own?: OwnPaths | Issued | undefined; keep?: boolean; redeem?: boolean } = {},
  ): Promise<{ text: string; entered: boolean; resumed: boolean }> {
    const { own, keep = false, redeem = false } = options;
    const args = ["s_client", "-connect", `127.0.0.1:${port}`, "-ign_eof", this.#version];
    if (own !== undefined) {
      const { cert, key } = "cert" in own ? own : this.#put(own);
      args.push("-cert", cert, "-cert_chain", cert, "-key", key);
    }
    if (keep) args.push("-sess_out", this.#folder.file("ticket"));
    if (redeem) args.push("-sess_in", this.#folder.file("ticket"));
    const { stdout } = await run("openssl", args, { input: "ping\n" });
    return { text: stdout, entered: stdout.includes("hello\n"), resumed: /^Reused, /m.test(stdout) };
  }

  #put({ chainPem, keyPem }: Issued): OwnPaths {
    const paths = { cert: this.#folder.file("own.pem"), key: this.#folder.file("own.key") };
    Deno.writeTextFileSync(paths.cert, chainPem);
    Deno.writeTextFileSync(paths.key, keyPem);
    return paths;
  }

  hasTicket(): boolean {
    try {
      return Deno.statSync(this.#folder.file("ticket")).size > 0;
    } catch {
      return false;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#folder[Symbol.asyncDispose]();
  }
}
