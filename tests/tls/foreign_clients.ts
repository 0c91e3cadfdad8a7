import { run } from "../support/child.ts";
import { TemporaryFolder } from "../support/folder.ts";
import { findProgram } from "../support/installed.ts";
import { Python } from "../support/python.ts";

/** What such a client is to do. */
export interface ClientSpec {
  readonly hostname: string;
  readonly port: number;
  readonly ca: string;
  /** Our certificate with its chain, and its key; absent: none is shown. */
  readonly own?: { readonly cert: string; readonly key: string } | undefined;
  readonly version: "1.2" | "1.3";
}

/** A client that is not Culvert's. */
export interface ForeignClient {
  readonly name: string;
  readonly program: string | undefined;
  readonly versions: readonly ("1.2" | "1.3")[];
  /** Makes it ready for any number of connections, one after the other. */
  start(): RunningClient;
}

/** A client at work. The caller disposes of it. */
export interface RunningClient extends AsyncDisposable {
  /** Connects, says `ping` and resolves to all that came back: `hello` and `ping`, unless it was refused. */
  talk(spec: ClientSpec): Promise<string>;
}

/** One connection for each line that it hears; it answers with what came back. */
const PYTHON = `
import json, ssl
def talk(host, port, ca, cert, version):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(ca)
    context.minimum_version = context.maximum_version = getattr(ssl.TLSVersion, version)
    if cert: context.load_cert_chain(cert)
    text = ""
    try:
        with socket.create_connection((host, port)) as plain:
            with context.wrap_socket(plain, server_hostname="server.test") as secure:
                secure.sendall(b"ping\\n")
                while True:
                    data = secure.recv(4096)
                    if not data: break
                    text += data.decode()
    except OSError:
        pass
    return text
while True:
    job = hear()
    if not job: break
    say(json.dumps(talk(*json.loads(job))))
`;

/** The clients that there are; `program` is `undefined` for what is not installed. */
export const FOREIGN_CLIENTS: readonly ForeignClient[] = [
  {
    name: "OpenSSL",
    program: findProgram("openssl"),
    versions: ["1.2", "1.3"],
    start: () => eachByItself(talkByOpenssl),
  },
  {
    name: "Python",
    program: findProgram("python3"),
    versions: ["1.2", "1.3"],
    start: () => {
      const python = new Python(PYTHON);
      return {
        talk: (spec) =>
          withFiles(spec, async ({ ca, cert }) => {
            const version = spec.version === "1.2" ? "TLSv1_2" : "TLSv1_3";
            await python.say(JSON.stringify([spec.hostname, spec.port, ca, cert, version]));
            return JSON.parse(await python.hear());
          }),
        [Symbol.asyncDispose]: () => python[Symbol.asyncDispose](),
      };
    },
  },
  { name: "Deno", program: Deno.execPath(), versions: ["1.3"], start: () => eachByItself(talkByDeno) },
];

function eachByItself(talk: (spec: ClientSpec) => Promise<string>): RunningClient {
  return { talk, [Symbol.asyncDispose]: () => Promise.resolve() };
}

/** As {@linkcode RunningClient.talk} does, by `openssl s_client`. */
export function talkByOpenssl(spec: ClientSpec): Promise<string> {
  return withFiles(spec, async ({ ca, cert }) => {
    const version = spec.version === "1.2" ? "-tls1_2" : "-tls1_3";
    const host = spec.hostname.includes(":") ? `[${spec.hostname}]` : spec.hostname;
    const own = cert === "" ? [] : ["-cert", cert, "-cert_chain", cert, "-key", cert];
    const trust = ["-CAfile", ca, "-verify_return_error", "-servername", "server.test"];
    const args = ["s_client", "-quiet", "-connect", `${host}:${spec.port}`, version, ...trust, ...own];
    return (await run("openssl", args, { input: "ping\n" })).stdout;
  });
}

async function talkByDeno({ hostname, port, ca, own }: ClientSpec): Promise<string> {
  let text = "";
  const connection = await Deno.connectTls({ hostname, port, caCerts: [ca], ...own });
  try {
    await connection.write(new TextEncoder().encode("ping\n"));
    const buffer = new Uint8Array(4096);
    for (;;) {
      const count = await connection.read(buffer);
      if (count === null) break;
      text += new TextDecoder().decode(buffer.subarray(0, count));
    }
  } catch {
    // Refused.
  } finally {
    connection.close();
  }
  return text;
}

async function withFiles(
  { ca, own }: ClientSpec,
  use: (files: { ca: string; cert: string }) => Promise<string>,
): Promise<string> {
  await using folder = new TemporaryFolder();
  Deno.writeTextFileSync(folder.file("ca.pem"), ca);
  if (own === undefined) return await use({ ca: folder.file("ca.pem"), cert: "" });
  Deno.writeTextFileSync(folder.file("own.pem"), own.cert + own.key);
  return await use({ ca: folder.file("ca.pem"), cert: folder.file("own.pem") });
}
