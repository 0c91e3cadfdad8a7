import type { Explanation, Imagined } from "../../../src/app/explain/imagined.ts";
import { type Authority, createAuthority } from "../../../src/tls/authority/authority.ts";
import type { Issued } from "../../../src/tls/authority/options.ts";
import { HEAD } from "../../support/program.ts";
import { TlsFiles } from "../../support/tls_files.ts";

/** A connection or request, and what becomes of it. */
export interface ExplainCase {
  readonly title: string;
  readonly service: string;
  readonly from?: string;
  readonly via?: string;
  /** The name of the client's certificate. */
  readonly cert?: string;
  readonly serverName?: string;
  readonly request?: Imagined["request"];
  readonly expect: Omit<Explanation, "steps">;
  /** A part of the line of the configuration that decides. */
  readonly line: string;
}

/** A configuration for the cases, with the files that it names. */
export interface ExplainFixture extends AsyncDisposable {
  readonly config: string;
  readonly ca: Authority;
  /** By the names that the cases use. */
  readonly clients: Readonly<Record<string, Issued>>;
  readonly files: TlsFiles;
}

const DAY_MS = 86_400_000;

/** Makes the certificates, and writes the configuration in front of these backends. */
export async function explainFixture(backends: { db: string; app: string }): Promise<ExplainFixture> {
  const files = new TlsFiles();
  const ca = await createAuthority({ notBefore: new Date(Date.now() - 30 * DAY_MS) });
  const stray = await createAuthority({ name: "Stray CA" });
  const past = {
    notBefore: new Date(Date.now() - 20 * DAY_MS),
    notAfter: new Date(Date.now() - 10 * DAY_MS),
  };
  const clients = {
    allowed: await ca.issueClient({ cn: "app-1", uri: "spiffe://example.org/apps/app-1" }),
    other: await ca.issueClient({ cn: "other" }),
    revoked: await ca.issueClient({ cn: "gone", uri: "spiffe://example.org/apps/gone" }),
    stray: await stray.issueClient({ cn: "app-1", uri: "spiffe://example.org/apps/app-1" }),
    expired: await ca.issueClient({ cn: "old", uri: "spiffe://example.org/apps/old", ...past }),
    server: await ca.issueServer({ names: ["db.example.org"], uri: "spiffe://example.org/apps/server" }),
  };
  ca.revoke(clients.revoked.serial);
  const own = files.putOwn("server", await ca.issueServer({ names: ["localhost", "127.0.0.1"] }));
  const auth = `ca: ${files.put("ca.pem", ca.certPem)}, crl: ${files.put("ca.crl", ca.crl())}`;
  const config = `${HEAD}upstreams:
  db: {backends: ["${backends.db}"]}
  app: {backends: ["${backends.app}"]}
  idle:
    backends:
      - {address: "${backends.db}", weight: 0}
services:
  - name: behind
    listen: ["127.0.0.1:0"]
    proxyProtocol: true
    trusted:
      - 127.0.0.0/8
    allow:
      - 10.0.0.0/8
      - 2001:db8::/32
    deny:
      - 10.8.0.0/16
      - 10.9.0.0/16
    upstream: db
  - name: untrusting
    listen: ["127.0.0.1:0"]
    proxyProtocol: true
    trusted: [192.0.2.0/24]
    upstream: db
  - name: mutual
    listen: ["127.0.0.1:0"]
    tls:
      cert: ${own.cert}
      key: ${own.key}
      clientAuth:
        ca: ${files.folder.file("ca.pem")}
        crl: ${files.folder.file("ca.crl")}
        allow:
          - dns: "*.clients.example.org"
          - uri: "spiffe://example.org/apps/*"
    upstream: db
  - name: optional
    listen: ["127.0.0.1:0"]
    tls: {cert: ${own.cert}, key: ${own.key}, clientAuth: {mode: optional, ${auth}, allow: [any: true]}}
    upstream: db
  - name: names
    listen: ["127.0.0.1:0"]
    sni:
      app.example.org: app
      "*.example.org": db
  - name: fallback
    listen: ["127.0.0.1:0"]
    sni: {app.example.org: app}
    upstream: db
  - name: drained
    listen: ["127.0.0.1:0"]
    upstream: idle
  - name: web
    protocol: http
    listen: ["127.0.0.1:0"]
    routes:
      - match: {path: /api, methods: [GET]}
        upstream: app
        rewrite: /v2
      - match: {host: static.example.org, path: /files}
        upstream: db
      - match: {path: /old}
        redirect: {to: "https://{host}/new{query}"}
      - match: {path: /ping}
        respond: {status: 204}
      - match: {path: /idle}
        upstream: idle
`;
  return { config, ca, clients, files, [Symbol.asyncDispose]: () => files[Symbol.asyncDispose]() };
}

const URI_RULE = 'uri: "spiffe://example.org/apps/*"';
const behind = { service: "behind", via: "127.0.0.1" };
const toDb = { verdict: "accept", upstream: "db" };

function get(path: string, { method = "GET", host = "www.example.org" } = {}) {
  return { service: "web", request: { method, url: `http://${host}${path}` } };
}

/** What is decided by each part of a service. */
export const CASES: readonly ExplainCase[] = [
  { title: "an allowed address", ...behind, from: "10.1.2.3", expect: toDb, line: "10.0.0.0/8" },
  { title: "an allowed IPv6 address", ...behind, from: "2001:db8::7", expect: toDb, line: "2001:db8::/32" },
  {
    title: "a denied address in an allowed subnet",
    ...{ ...behind, from: "10.9.1.1", expect: { verdict: "refused-by-deny" }, line: "10.9.0.0/16" },
  },
  {
    title: "an address that is not allowed",
    ...{ ...behind, from: "192.0.2.1", expect: { verdict: "refused-by-allow" }, line: "allow:" },
  },
  {
    title: "a trusted sender that names no client",
    ...{ service: "behind", expect: { verdict: "refused-by-allow" }, line: "allow:" },
  },
  {
    title: "a sender that is not trusted",
    ...{ service: "untrusting", expect: { verdict: "refused-by-proxy" }, line: "trusted: [192" },
  },
  {
    title: "no certificate where one is required",
    ...{ service: "mutual", expect: { verdict: "tls-no-certificate" }, line: "clientAuth:" },
  },
  { title: "an allowed certificate", service: "mutual", cert: "allowed", expect: toDb, line: URI_RULE },
  {
    title: "a certificate that no rule allows",
    ...{ service: "mutual", cert: "other", expect: { verdict: "tls-not-allowed" }, line: "allow:" },
  },
  {
    title: "a revoked certificate",
    ...{ service: "mutual", cert: "revoked", expect: { verdict: "tls-revoked" }, line: "crl: " },
  },
  {
    title: "a certificate of another CA",
    ...{ service: "mutual", cert: "stray", expect: { verdict: "tls-unknown-ca" }, line: "ca: " },
  },
  {
    title: "an expired certificate",
    ...{ service: "mutual", cert: "expired", expect: { verdict: "tls-expired" }, line: "ca: " },
  },
  {
    title: "a server's certificate",
    ...{ service: "mutual", cert: "server", expect: { verdict: "tls-wrong-usage" }, line: "ca: " },
  },
  {
    title: "no certificate where one is optional",
    ...{ service: "optional", expect: toDb, line: "mode: optional" },
  },
  {
    title: "a server name of its own",
    ...{ service: "names", serverName: "app.example.org", expect: { verdict: "accept", upstream: "app" } },
    line: "app.example.org: app",
  },
  {
    title: "a server name in a wildcard",
    ...{ service: "names", serverName: "X.example.org", expect: toDb, line: '"*.example.org": db' },
  },
  {
    title: "a server name that no upstream serves",
    ...{ service: "names", serverName: "example.com", expect: { verdict: "refused-by-name" }, line: "sni:" },
  },
  {
    title: "no server name",
    ...{ service: "names", expect: { verdict: "refused-by-name" }, line: "sni:" },
  },
  {
    title: "a server name for the default upstream",
    ...{ service: "fallback", serverName: "example.com", expect: toDb, line: "upstream: db" },
  },
  {
    title: "an upstream whose backends are drained",
    ...{ service: "drained", expect: { verdict: "no-backend", upstream: "idle" }, line: "backends:" },
  },
  {
    title: "a request whose path is rewritten",
    ...get("/api/x?y=1"),
    expect: { verdict: "accept", upstream: "app", target: "/v2/x?y=1" },
    line: "match: {path: /api",
  },
  {
    title: "a request for a host of its own",
    ...get("/files/a", { host: "static.example.org" }),
    expect: { verdict: "accept", upstream: "db", target: "/files/a" },
    line: "match: {host: static",
  },
  {
    title: "a request without a route",
    ...get("/files/a"),
    expect: { verdict: "no-route", status: 404 },
    line: "routes:",
  },
  {
    title: "a method that the route does not take",
    ...get("/api", { method: "POST" }),
    expect: { verdict: "no-method", status: 405 },
    line: "routes:",
  },
  {
    title: "a request that is redirected",
    ...get("/api/../old?a=b"),
    expect: { verdict: "redirect", status: 308, location: "https://www.example.org/new?a=b" },
    line: "redirect:",
  },
  {
    title: "a request that is answered",
    ...get("/ping"),
    expect: { verdict: "respond", status: 204 },
    line: "respond:",
  },
  {
    title: "a request with an encoded slash",
    ...get("/api%2fx"),
    expect: { verdict: "bad-request", status: 400 },
    line: "name: web",
  },
  {
    title: "a request for drained backends",
    ...get("/idle"),
    expect: { verdict: "no-backend", status: 503, upstream: "idle", target: "/idle" },
    line: "backends:",
  },
];
