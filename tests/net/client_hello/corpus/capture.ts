/**
 * Recreates the corpus: runs each client against a listener on loopback that says nothing, and writes what
 * the client says first into a file. Run it by hand, with those clients installed:
 *
 *     deno run -A tests/net/client_hello/corpus/capture.ts [NAME…]
 *
 * @module
 */

/** A client, and how to make it connect. */
interface Client {
  readonly name: string;
  readonly program: string;
  args(port: number, folder: string): readonly string[];
  /** Files that it needs, by their names in the folder. */
  readonly files?: Readonly<Record<string, string>>;
}

const QUIET_MS = 500;
const PATIENCE_MS = 60_000;
const HERE = new URL("./", import.meta.url);

const GO = `package main

import (
	"crypto/tls"
	"os"
)

func main() {
	config := &tls.Config{ServerName: "go.example.org", NextProtos: []string{"h2", "http/1.1"}}
	if os.Args[2] == "1.2" {
		config.MaxVersion = tls.VersionTLS12
	}
	tls.Dial("tcp", "127.0.0.1:"+os.Args[1], config)
}
`;

/** A hello inside of a hello, for a key that was not kept. */
const GO_ECH = `package main

import (
	"crypto/ecdh"
	"crypto/rand"
	"crypto/tls"
	"os"
)

func main() {
	key, _ := ecdh.X25519().GenerateKey(rand.Reader)
	name := "public.example.org"
	contents := append([]byte{7, 0, 0x20, 0, 32}, key.PublicKey().Bytes()...)
	contents = append(contents, 0, 4, 0, 1, 0, 1, 64, byte(len(name)))
	contents = append(append(contents, name...), 0, 0)
	config := append([]byte{0xfe, 0x0d, 0, byte(len(contents))}, contents...)
	tls.Dial("tcp", "127.0.0.1:"+os.Args[1], &tls.Config{
		ServerName:                     "secret.example.org",
		EncryptedClientHelloConfigList: append([]byte{0, byte(len(config))}, config...),
	})
}
`;

const PYTHON = `import socket, ssl, sys
context = ssl.create_default_context()
if sys.argv[2] == "1.2":
    context.maximum_version = ssl.TLSVersion.TLSv1_2
connection = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
context.wrap_socket(connection, server_hostname="python.example.org")
`;

const NODE = `require("tls").connect({
  host: "127.0.0.1", port: +process.argv[1], servername: "node.example.org", ALPNProtocols: ["http/1.1"],
}).on("error", () => {});`;

const DENO = `const connection = await Deno.connect({ hostname: "127.0.0.1", port: +Deno.args[0] });
const secure = await Deno.startTls(connection, { hostname: "deno.example.org", alpnProtocols: ["h2"] });
await secure.handshake();
`;

function openssl(name: string, ...args: string[]): Client {
  const connect = (port: number) => ["s_client", "-connect", `127.0.0.1:${port}`, ...args];
  return { name: `openssl-${name}`, program: "openssl", args: connect };
}

function curl(name: string, ...args: string[]): Client {
  const resolve = (port: number) => ["--resolve", `curl.example.org:${port}:127.0.0.1`];
  return {
    name: `curl-${name}`,
    program: "curl",
    args: (port) => ["-sS", ...resolve(port), ...args, `https://curl.example.org:${port}/`],
  };
}

function chromium(name: string, ...args: string[]): Client {
  const fixed = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"];
  const resolve = "--host-resolver-rules=MAP * 127.0.0.1";
  return {
    name: `chromium-${name}`,
    program: "chromium",
    args: (port, folder) => {
      const own = [`--user-data-dir=${folder}`, resolve, ...args];
      return [...fixed, ...own, `https://chromium.example.org:${port}/`];
    },
  };
}

const LONG_ALPN = Array.from({ length: 60 }, (_, i) => `protocol-number-${i}`).join(",");

const CLIENTS: readonly Client[] = [
  openssl("tls1.2", "-tls1_2", "-servername", "OpenSSL.Example.org"),
  openssl("tls1.3", "-tls1_3", "-servername", "openssl.example.org", "-alpn", "h2,http/1.1"),
  openssl("tls1.0", "-tls1", "-cipher", "ALL:@SECLEVEL=0", "-servername", "openssl.example.org"),
  openssl("tls1.2-no-name", "-tls1_2", "-noservername"),
  openssl("tls1.3-no-name", "-tls1_3", "-noservername"),
  openssl(
    "three-records",
    ...["-max_send_frag", "512", "-alpn", LONG_ALPN, "-servername", "openssl.example.org"],
  ),
  curl("tls1.2", "--tlsv1.2", "--tls-max", "1.2"),
  curl("tls1.3", "--tlsv1.3"),
  ...["1.2", "1.3"].map((version): Client => ({
    name: `go-tls${version}`,
    program: "go",
    files: { "client.go": GO },
    args: (port, folder) => ["run", `${folder}/client.go`, String(port), version],
  })),
  {
    name: "go-ech",
    program: "go",
    files: { "client.go": GO_ECH },
    args: (port, folder) => ["run", `${folder}/client.go`, String(port)],
  },
  ...["1.2", "1.3"].map((version): Client => ({
    name: `python-tls${version}`,
    program: "python3",
    args: (port) => ["-c", PYTHON, String(port), version],
  })),
  { name: "node", program: "node", args: (port) => ["-e", NODE, String(port)] },
  {
    name: "deno",
    program: "deno",
    files: { "client.ts": DENO },
    args: (port, folder) => ["run", "-A", `${folder}/client.ts`, String(port)],
  },
  chromium("ech-grease"),
  chromium("tls1.2", "--ssl-version-max=tls1.2"),
];

/** Reads until the client has been quiet for a while. */
async function readQuietly(connection: Deno.Conn): Promise<Uint8Array> {
  const buffer = new Uint8Array(65536);
  let filled = 0;
  for (;;) {
    const quiet = Promise.withResolvers<null>();
    const timer = setTimeout(() => quiet.resolve(null), QUIET_MS);
    const count = await Promise.race([connection.read(buffer.subarray(filled)), quiet.promise]);
    clearTimeout(timer);
    if (count === null) return buffer.slice(0, filled);
    filled += count;
  }
}

async function capture(client: Client): Promise<void> {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const folder = await Deno.makeTempDir({ prefix: "culvert-capture-" });
  for (const [name, text] of Object.entries(client.files ?? {})) {
    await Deno.writeTextFile(`${folder}/${name}`, text);
  }
  const args = [...client.args(listener.addr.port, folder)];
  const child = new Deno.Command(client.program, { args, stdin: "piped", stdout: "null", stderr: "null" })
    .spawn();
  const timer = setTimeout(() => listener.close(), PATIENCE_MS);
  const connection = await listener.accept();
  clearTimeout(timer);
  const bytes = await readQuietly(connection);
  connection.close();
  child.kill("SIGKILL");
  await child.stdin.close();
  await child.status;
  await Deno.writeFile(new URL(`${client.name}.bin`, HERE), bytes);
  await Deno.remove(folder, { recursive: true }).catch(() => {});
  console.log(client.name, bytes.length);
}

for (const client of CLIENTS) {
  if (Deno.args.length === 0 || Deno.args.includes(client.name)) await capture(client);
}
