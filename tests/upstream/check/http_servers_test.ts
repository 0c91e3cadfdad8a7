import { assertEquals, assertMatch } from "@std/assert";
import type { Address } from "../../../src/net/address.ts";
import { BufferPool } from "../../../src/net/buffers.ts";
import { type Dial, dial } from "../../../src/net/dial.ts";
import { tlsConnector, tlsDial } from "../../../src/tls/dial.ts";
import { CheckFailedError } from "../../../src/upstream/check/check.ts";
import { HttpCheck, type HttpCheckSpec } from "../../../src/upstream/check/http_check.ts";
import { TlsCheck } from "../../../src/upstream/check/tls_check.ts";
import { testWith } from "../../support/installed.ts";
import { startNginx } from "../../support/servers.ts";
import { TlsFiles } from "../../support/tls_files.ts";
import { pki } from "../../tls/tls_fixture.ts";
import { NEVER } from "./check_fixture.ts";
import { startOwn } from "./own_server.ts";

/** What a check sees, good or not. */
async function outcome(port: number, spec: HttpCheckSpec, by: Dial = dial): Promise<string> {
  try {
    return (await new HttpCheck({ dial: by, ...spec }).run(at(port), NEVER)).detail;
  } catch (error) {
    if (!(error instanceof CheckFailedError)) throw error;
    return error.message;
  }
}

function at(port: number): Address {
  return { kind: "tcp", host: "127.0.0.1", port };
}

testWith(["nginx"], "nginx is checked by status, by host and by a text in a file", async () => {
  await using nginx = await startNginx(`server {
    listen 127.0.0.1:PORT default_server;
    location /moved { return 301 /; }
    location /busy { return 503 "busy"; }
    location / { root FOLDER; }
    location /chunked { alias FOLDER/page; sub_filter_types *; sub_filter busy ready; }
  }
  server { listen 127.0.0.1:PORT; server_name app.test; location / { return 204; } }`);
  await Deno.writeTextFile(nginx.folder.file("page"), `${"x".repeat(40_000)} busy`);
  const { port } = nginx;
  assertEquals(await outcome(port, { path: "/page" }), "answered 200");
  assertEquals(await outcome(port, { path: "/page", method: "HEAD" }), "answered 200");
  assertEquals(await outcome(port, { path: "/page", body: "x busy" }), "answered 200");
  assertMatch(await outcome(port, { path: "/page", body: "ready" }), /^"ready" is not in the body, /);
  assertEquals(await outcome(port, { path: "/chunked", body: "x ready" }), "answered 200");
  assertEquals(await outcome(port, { path: "/moved" }), "answered 301");
  assertEquals(await outcome(port, { path: "/none" }), "answered 404, expected 200-399");
  assertEquals(await outcome(port, { path: "/busy" }), "answered 503, expected 200-399");
  assertEquals(await outcome(port, { path: "/busy", expect: "503", body: "busy" }), "answered 503");
  assertEquals(await outcome(port, { host: "app.test", expect: "204" }), "answered 204");
});

testWith(["nginx"], "nginx is checked over mutual TLS, and by its handshake alone", async () => {
  const { ca, server, client } = await pki();
  await using files = new TlsFiles();
  const { cert, key } = files.putOwn("server", server);
  await using nginx = await startNginx(`server {
    listen 127.0.0.1:PORT ssl;
    ssl_certificate ${cert};
    ssl_certificate_key ${key};
    ssl_client_certificate ${files.put("ca.pem", ca.certPem)};
    ssl_verify_client on;
    location / { return 200 "$ssl_client_s_dn"; }
  }`);
  const options = { dial, buffers: new BufferPool(), ca: ca.certPem };
  const own = { cert: client.chainPem, key: client.keyPem };
  assertEquals(
    await outcome(nginx.port, { body: "CN=alice" }, tlsDial({ ...options, ...own })),
    "answered 200",
  );
  // nginx accepts every client and answers in HTTP.
  const refused = "answered 400, expected 200-399";
  assertEquals(await outcome(nginx.port, {}, tlsDial(options)), refused);
  assertEquals(await outcome(nginx.port, {}), refused);
  const check = new TlsCheck({ connect: tlsConnector({ ...options, ...own }) });
  const { detail, certificateValidTo } = await check.run(at(nginx.port), NEVER);
  assertMatch(detail, /^handshake done, certificate good for \d+ days$/);
  assertEquals(certificateValidTo!.getTime(), Math.floor(server.notAfter.getTime() / 1000) * 1000);
});

testWith(["openssl"], "the server of OpenSSL, which speaks HTTP/1.0 over TLS, is checked", async () => {
  const { ca, server } = await pki();
  await using files = new TlsFiles();
  const { cert, key } = files.putOwn("server", server);
  await using peer = await startOwn({
    program: "openssl",
    args: ({ port }) =>
      Promise.resolve(["s_server", "-accept", `127.0.0.1:${port}`, "-cert", cert, "-key", key, "-www"]),
  });
  const options = { dial, buffers: new BufferPool(), ca: ca.certPem };
  assertEquals(await outcome(peer.port, { body: "Ciphers supported" }, tlsDial(options)), "answered 200");
  const check = new TlsCheck({ connect: tlsConnector(options) });
  assertMatch((await check.run(at(peer.port), NEVER)).detail, /^handshake done, certificate good for /);
});

Deno.test("the runtime's own server is checked, with a body in chunks", async () => {
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    async ({ method, url, body }) => {
      await body?.cancel();
      const { pathname } = new URL(url);
      const pieces = ["no", "t ", `${method} `, pathname, " yet rea", "dy"];
      return new Response(ReadableStream.from(pieces.map((piece) => new TextEncoder().encode(piece))));
    },
  );
  const { port } = server.addr;
  assertEquals(await outcome(port, { path: "/x", body: "GET /x yet ready" }), "answered 200");
  assertEquals(await outcome(port, { path: "/x", method: "POST", body: "POST /x yet" }), "answered 200");
  const seen = '"never" is not in the body, which is "not GET / yet ready"';
  assertEquals(await outcome(port, { body: "never" }), seen);
  await server.shutdown();
});
