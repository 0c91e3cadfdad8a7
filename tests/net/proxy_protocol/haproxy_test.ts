import { assert, assertEquals } from "@std/assert";
import type { Connection } from "../../../src/net/connection.ts";
import { formatProxyV1 } from "../../../src/net/proxy_protocol/format_v1.ts";
import { formatProxyV2 } from "../../../src/net/proxy_protocol/format_v2.ts";
import type { ProxyEnds } from "../../../src/net/proxy_protocol/endpoints.ts";
import { type ReadProxyHeader, readProxyHeader } from "../../../src/net/proxy_protocol/read.ts";
import { readText, writeAll } from "../../support/bytes.ts";
import { Child, output } from "../../support/child.ts";
import { freePort, TemporaryFolder } from "../../support/folder.ts";
import { testWith } from "../../support/installed.ts";
import { until, within } from "../../support/wait.ts";
import { joined } from "../hex.ts";
import { IPV4_ENDPOINTS } from "./vectors.ts";

const V2_OPTIONS = "ssl,cert-cn,ssl-cipher,cert-sig,cert-key,authority,crc32c,unique-id";

/** HAProxy, with this after its defaults. `PORT` stands for a port of its own, `FOLDER` for its folder. */
async function startHaproxy(sections: string, prepare?: (folder: TemporaryFolder) => Promise<void>) {
  const stop = new AsyncDisposableStack();
  const folder = stop.use(new TemporaryFolder());
  await prepare?.(folder);
  const port = freePort();
  const text = `global
  log stderr format raw local0
  stats socket FOLDER/admin.sock
defaults
  mode tcp
  timeout connect 10s
  timeout client 10s
  timeout server 10s
${sections}
`;
  const config = text.replaceAll("PORT", String(port)).replaceAll("FOLDER", folder.path);
  await Deno.writeTextFile(folder.file("haproxy.cfg"), config);
  const child = stop.use(new Child({ program: "haproxy", args: ["-db", "-f", folder.file("haproxy.cfg")] }));
  await until(() => !child.running || answers(folder.file("admin.sock")), { what: "HAProxy to start" });
  if (!child.running) throw new Error(`HAProxy has ended: ${child.stderr}`);
  return { port, folder, [Symbol.asyncDispose]: () => stop.disposeAsync() };
}

/** Asks its admin socket: a connection to its port would be carried on to the test. */
async function answers(path: string): Promise<boolean> {
  try {
    using admin = await Deno.connect({ transport: "unix", path });
    await writeAll(admin, new TextEncoder().encode("show info\n"));
    return (await readText(admin)).includes("Uptime");
  } catch {
    return false;
  }
}

/** Accepts one connection and reads its header and the text that follows it to the end. */
async function receive(listener: Deno.Listener): Promise<ReadProxyHeader & { text: string }> {
  using connection = await within(listener.accept(), { what: "HAProxy to connect" });
  const read = await within(readProxyHeader(connection), { what: "the header" });
  const rest = new TextDecoder().decode(read.rest);
  return { ...read, text: rest + await within(readText(connection), { what: "the end" }) };
}

/** Sends a text through HAProxy and ends; resolves to what arrives at the other side, and from which client. */
async function send(listener: Deno.Listener, connect: () => Promise<Deno.Conn>) {
  const received = receive(listener);
  using client = await connect();
  const { hostname, port } = client.localAddr as Deno.NetAddr;
  await writeAll(client, new TextEncoder().encode("hello"));
  await client.closeWrite();
  return { ...await received, source: { ip: hostname, port } };
}

for (const [option, version] of [["send-proxy", 1], ["send-proxy-v2", 2]] as const) {
  testWith(["haproxy"], `what HAProxy sends with ${option} is read`, async () => {
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    await using haproxy = await startHaproxy(`listen front
  bind 127.0.0.1:PORT
  server test 127.0.0.1:${listener.addr.port} ${option}`);

    const port = haproxy.port;
    const { header, text, source } = await send(
      listener,
      () => Deno.connect({ hostname: "127.0.0.1", port }),
    );
    const endpoints = { source, destination: { ip: "127.0.0.1", port } };
    assertEquals(header, { version, kind: "proxy", endpoints, tlvs: {} });
    assertEquals(text, "hello");
  });
}

testWith(["haproxy"], "what HAProxy sends for a client on a unix socket, which has no address", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  await using haproxy = await startHaproxy(`listen front
  bind FOLDER/front.sock
  server test 127.0.0.1:${listener.addr.port} send-proxy-v2 proxy-v2-options crc32c`);

  const received = receive(listener);
  using client = await Deno.connect({ transport: "unix", path: haproxy.folder.file("front.sock") });
  await sayHello(client, new Uint8Array(0));
  // Version 2.6 says LOCAL, and adds its checksum, though there should be nothing behind that.
  const { header, text } = await received;
  assert(header.kind === "local" || header.endpoints?.source.ip === "unix");
  assertEquals(text, "hello");
});

testWith(["haproxy"], "the header of a health check of HAProxy's is read", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const accepted = listener.accept();
  // It waits for an answer: else it would reset the connection before it can be accepted.
  await using _haproxy = await startHaproxy(`listen front
  bind 127.0.0.1:PORT
  option tcp-check
  tcp-check connect send-proxy
  tcp-check expect string welcome
  server test 127.0.0.1:${listener.addr.port} check send-proxy-v2`);
  using connection = await within(accepted, { what: "HAProxy to connect" });
  const { header, rest } = await within(readProxyHeader(connection), { what: "the header" });
  assertEquals([header, rest.length], [{ version: 2, kind: "local", tlvs: {} }, 0]);
});

testWith(
  ["haproxy", "openssl"],
  "what HAProxy tells of TLS and of a client's certificate is read",
  async () => {
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    await using haproxy = await startHaproxy(
      `listen front
  unique-id-format id-%pid
  bind 127.0.0.1:PORT ssl crt FOLDER/server.pem ca-file FOLDER/client.pem verify optional
  server test 127.0.0.1:${listener.addr.port} send-proxy-v2 proxy-v2-options ${V2_OPTIONS}`,
      makeCertificates,
    );
    const caCerts = [await Deno.readTextFile(haproxy.folder.file("server.pem"))];
    const pem = await Deno.readTextFile(haproxy.folder.file("client.pem"));
    const target = { hostname: "localhost", port: haproxy.port, caCerts };

    const known = await send(listener, () => Deno.connectTls({ ...target, cert: pem, key: pem }));
    const { uniqueId, ssl, ...tlvs } = known.header.tlvs;
    assertEquals(known.text, "hello");
    assertEquals(tlvs, { authority: "localhost" });
    assert(new TextDecoder().decode(uniqueId).startsWith("id-"));
    assertEquals(ssl, {
      clientCertificate: "connection",
      verified: true,
      version: "TLSv1.3",
      commonName: "Jürg, the client",
      cipher: ssl!.cipher!,
      signatureAlgorithm: "ecdsa-with-SHA256",
      keyAlgorithm: "EC256",
    });
    assert(/^TLS_\w+$/.test(ssl!.cipher!));

    const unknown = await send(listener, () => Deno.connectTls(target));
    const tls = unknown.header.tlvs.ssl;
    assertEquals([tls?.clientCertificate, tls?.verified, tls?.commonName], ["none", false, undefined]);
  },
);

testWith(
  ["haproxy", "openssl"],
  "a common name that HAProxy sends in Latin-1 is left out, and nothing else",
  async () => {
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    await using haproxy = await startHaproxy(
      `listen front
  bind 127.0.0.1:PORT ssl crt FOLDER/server.pem ca-file FOLDER/client.pem verify required
  server test 127.0.0.1:${listener.addr.port} send-proxy-v2 proxy-v2-options ssl,cert-cn,ssl-cipher,authority`,
      async (folder) => {
        await makeCertificates(folder);
        await makeLatinCertificate(folder);
      },
    );
    const caCerts = [await Deno.readTextFile(haproxy.folder.file("server.pem"))];
    const pem = await Deno.readTextFile(haproxy.folder.file("client.pem"));
    const target = { hostname: "localhost", port: haproxy.port, caCerts };
    const { header, text, tlvs } = await send(
      listener,
      () => Deno.connectTls({ ...target, cert: pem, key: pem }),
    );
    const { cipher, ...ssl } = header.tlvs.ssl!;
    assertEquals(ssl, { clientCertificate: "connection", verified: true, version: "TLSv1.3" });
    assertEquals([text, header.tlvs.authority, cipher?.startsWith("TLS_")], ["hello", "localhost", true]);
    // It is there all the same: a T61String as it stands in the certificate.
    const raw = tlvs.find(({ type }) => type === 0x20)!.value.toHex();
    assert(raw.includes(`220004${joined("J", [0xfc], "rg").toHex()}`), raw);
  },
);

const ENDS: readonly ProxyEnds[] = [
  IPV4_ENDPOINTS,
  { source: { ip: "2001:db8::a", port: 1 }, destination: { ip: "2001:db8::b", port: 65535 } },
  { source: { ip: "192.0.2.1", port: 1 }, destination: { ip: "2001:db8::b", port: 2 } },
];

testWith(["haproxy"], "HAProxy reads what is written, and sends the same on", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  await using haproxy = await startHaproxy(`listen front
  bind 127.0.0.1:PORT accept-proxy
  server test 127.0.0.1:${listener.addr.port} send-proxy-v2`);

  const ssl = {
    clientCertificate: "connection",
    verified: true,
    version: "TLSv1.3",
    commonName: "admin",
  } as const;
  const tlvs = { alpn: "h2", authority: "example.org", uniqueId: new Uint8Array(128), ssl };
  for (const ends of ENDS) {
    for (
      const header of [
        formatProxyV1(ends),
        formatProxyV2(ends),
        formatProxyV2({ ...ends, tlvs, crc32c: true }),
      ]
    ) {
      const received = receive(listener);
      using client = await Deno.connect({ hostname: "127.0.0.1", port: haproxy.port });
      await sayHello(client, header);
      const { header: again, text } = await received;
      assertEquals([again.endpoints, text], [
        { source: ends.source!, destination: ends.destination! },
        "hello",
      ]);
    }
  }
});

testWith(
  ["haproxy"],
  "HAProxy takes a header without addresses, and then counts the connection's own",
  async () => {
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    await using haproxy = await startHaproxy(`listen front
  bind 127.0.0.1:PORT accept-proxy
  server test 127.0.0.1:${listener.addr.port} send-proxy-v2`);

    for (const header of [formatProxyV1({}), formatProxyV2({})]) {
      const received = receive(listener);
      using client = await Deno.connect({ hostname: "127.0.0.1", port: haproxy.port });
      await sayHello(client, header);
      const { header: again, text } = await received;
      const { hostname: ip, port } = client.localAddr;
      assertEquals([again.endpoints?.source, text], [{ ip, port }, "hello"]);
    }
  },
);

testWith(["haproxy"], "HAProxy reads the TLVs that are written", async () => {
  await using haproxy = await startHaproxy(`frontend front
  mode http
  bind 127.0.0.1:PORT accept-proxy
  http-request return content-type text/plain lf-string "%[src] %[src_port] %[fc_pp_authority] %[fc_pp_unique_id]"`);

  const tlvs = { authority: "example.org", uniqueId: new TextEncoder().encode("0a-1") };
  using client = await Deno.connect({ hostname: "127.0.0.1", port: haproxy.port });
  await writeAll(client, formatProxyV2({ ...IPV4_ENDPOINTS, tlvs, crc32c: true }));
  await writeAll(client, new TextEncoder().encode("GET / HTTP/1.0\r\n\r\n"));
  const answer = await within(readText(client), { what: "the answer" });
  assertEquals(answer.split("\r\n\r\n")[1], "192.0.2.1 56324 example.org 0a-1");
});

testWith(
  ["haproxy"],
  "HAProxy takes a header with a client's certificate and with TLVs of any type",
  async () => {
    await using haproxy = await startHaproxy(`frontend front
  mode http
  bind 127.0.0.1:PORT accept-proxy
  http-request return content-type text/plain lf-string "%[src] %[fc_pp_authority]"`);

    const certificate = new Uint8Array(8000).fill(7);
    const ssl = {
      clientCertificate: "connection",
      verified: true,
      clientCertificateDer: certificate,
    } as const;
    const more = [{ type: 0xea, value: new Uint8Array(1000) }];
    using client = await Deno.connect({ hostname: "127.0.0.1", port: haproxy.port });
    const tlvs = { ssl, authority: "example.org" };
    await writeAll(client, formatProxyV2({ ...IPV4_ENDPOINTS, tlvs, more, crc32c: true }));
    await writeAll(client, new TextEncoder().encode("GET / HTTP/1.0\r\n\r\n"));
    const answer = await within(readText(client), { what: "the answer" });
    assertEquals(answer.split("\r\n\r\n")[1], "192.0.2.1 example.org");
  },
);

async function sayHello(connection: Connection, header: Uint8Array): Promise<void> {
  await writeAll(connection, header);
  await writeAll(connection, new TextEncoder().encode("hello"));
  await connection.closeWrite();
}

/** A certificate for `localhost` and one for a client, each signed by itself, with their keys. */
async function makeCertificates(folder: TemporaryFolder): Promise<void> {
  const subjects = [["server", "/CN=localhost", "serverAuth"], [
    "client",
    "/CN=Jürg, the client",
    "clientAuth",
  ]];
  for (const [name, subject, usage] of subjects) {
    const pem = folder.file(`${name}.pem`);
    const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", pem];
    const names = ["-utf8", "-subj", subject!, "-addext", "subjectAltName=DNS:localhost"];
    const usages = ["-addext", `extendedKeyUsage=${usage}`, "-addext", "basicConstraints=critical,CA:false"];
    const certificate = await output("openssl", ["req", "-x509", "-days", "2", ...key, ...names, ...usages]);
    await Deno.writeTextFile(pem, certificate, { append: true });
  }
}

/** The client's certificate again, with a common name that is no UTF-8. */
async function makeLatinCertificate(folder: TemporaryFolder): Promise<void> {
  const pem = folder.file("client.pem");
  const config = folder.file("latin.cnf");
  const head =
    "[req]\nprompt=no\nstring_mask=nombstr\ndistinguished_name=dn\nx509_extensions=v3\n[v3]\nbasicConstraints=CA:false\n[dn]\nCN=J";
  await Deno.writeFile(config, joined(head, [0xfc], "rg\n"));
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", pem];
  const certificate = await output("openssl", ["req", "-x509", "-days", "2", "-config", config, ...key]);
  await Deno.writeTextFile(pem, certificate, { append: true });
}
