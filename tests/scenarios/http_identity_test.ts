import { assert, assertEquals } from "@std/assert";
import { output } from "../support/child.ts";
import { testWith } from "../support/installed.ts";
import { HEAD, startCulvert } from "../support/program.ts";
import { TlsFiles } from "../support/tls_files.ts";
import { derOf } from "../tls/pki.ts";
import { makePki } from "../tls/tls_fixture.ts";

/** Fields that no client may send by itself. */
const SPOOFED = [
  "Client-Cert: :AAAA:",
  "client_cert: :AAAA:",
  "Client-Cert-Chain: :AAAA:",
  "X-Client-Identity: root",
  "X_Client_Identity: root",
  "X-Forwarded-For: 9.9.9.9",
  "X-Real-IP: 9.9.9.9",
  "Forwarded: for=9.9.9.9",
];

testWith(
  ["curl"],
  "backends get the verified certificate and identity of a client, and no others",
  async () => {
    const { ca, server } = await makePki();
    const client = await ca.issueClient({ cn: "Zoë" });
    await using files = new TlsFiles();
    const { cert, key } = files.putOwn("server", server);
    const own = files.putOwn("client", client);
    const authority = files.put("ca.pem", ca.certPem);
    const page = files.put("missing.html", "<p>nothing here</p>");
    await using origin = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen() {} },
      (request) => Response.json([...request.headers]),
    );
    const address = `127.0.0.1:${origin.addr.port}`;
    await using culvert = await startCulvert(`${HEAD}
upstreams: {app: {backends: ["${address}"]}}
services:
  - name: web
    protocol: http
    listen: ["127.0.0.1:0"]
    tls: {cert: ${cert}, key: ${key}, clientAuth: {ca: ${authority}, mode: optional, allow: [{any: true}]}}
    errors: {404: ${page}}
    routes: [{match: {path: /who}, upstream: app}]
`);
    const url = `https://localhost:${culvert.port("web")}`;
    const ask = (path: string, ...more: string[]) => {
      const spoofed = SPOOFED.flatMap((field) => ["-H", field]);
      return output("curl", ["-s", "--cacert", authority, ...spoofed, ...more, url + path]);
    };

    const known = new Headers(JSON.parse(await ask("/who", "--cert", own.cert, "--key", own.key)));
    assertEquals(known.get("client-cert"), `:${derOf(client.certPem)[0]!.toBase64()}:`);
    assertEquals(known.get("x-client-identity"), "CN=Zo\u00c3\u00ab");
    assertEquals(known.get("x-forwarded-proto"), "https");
    for (const [name, value] of known) assert(!/9\.9\.9\.9|AAAA|root/.test(value), `${name}: ${value}`);

    const untrusted = new Headers(JSON.parse(await ask("/who")));
    assertEquals(untrusted.get("x-forwarded-for"), "127.0.0.1");
    for (
      const name of [
        "client-cert",
        "client_cert",
        "client-cert-chain",
        "x-client-identity",
        "x_client_identity",
      ]
    ) {
      assertEquals(untrusted.get(name), null, name);
    }
    assertEquals(await ask("/other"), "<p>nothing here</p>");

    await culvert.waitFor({
      message: "request",
      reason: "ok",
      status: 200,
      identity: "CN=Zoë",
      backend: address,
    });
    await culvert.waitFor({ message: "request", reason: "no-route", status: 404, path: "/other" });
  },
);
