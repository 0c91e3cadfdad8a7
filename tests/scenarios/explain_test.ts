import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import {
  CASES,
  type ExplainCase,
  type ExplainFixture,
  explainFixture,
} from "../app/explain/explain_cases.ts";

import { run } from "../support/child.ts";
import { TemporaryFolder } from "../support/folder.ts";
import type { LogRecord } from "../support/log_record.ts";
import { connect, type Handler, startBackend } from "../support/peers.ts";
import { type Culvert, DENO, MAIN, startCulvert } from "../support/program.ts";

/** Answers everything as HTTP, with its name and the first line of what it got. */
function named(name: string): Handler {
  return async (connection) => {
    const buffer = new Uint8Array(4096);
    const count = await connection.read(buffer) ?? 0;
    const [line = ""] = new TextDecoder().decode(buffer.subarray(0, count)).split("\r\n");
    const [, target = ""] = line.split(" ");
    const body = `${name} ${target}`;
    const head = `HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: ${body.length}\r\n\r\n`;
    await connection.write(new TextEncoder().encode(head + body));
  };
}

/** Makes the connection of a case, and sends its request or any other one. */
async function attempt(culvert: Culvert, { fixture, each }: { fixture: ExplainFixture; each: ExplainCase }) {
  using connection = await connected(culvert, { fixture, each });
  const { pathname = "/", search = "", host = "localhost" } = each.request ? urlOf(each.request.url) : {};
  const start = `${each.request?.method ?? "GET"} ${pathname}${search} HTTP/1.1\r\nHost: ${host}`;
  await connection.write(new TextEncoder().encode(`${start}\r\nConnection: close\r\n\r\n`));
  return await readAll(connection);
}

/** The URL as it is written: a parser would normalise its path. */
function urlOf(url: string): { pathname: string; search: string; host: string } {
  const [, host = "", pathname = "/", search = ""] = /^http:\/\/([^/]*)([^?]*)(.*)$/.exec(url) ?? [];
  return { host, pathname, search };
}

async function connected(
  culvert: Culvert,
  { fixture, each }: { fixture: ExplainFixture; each: ExplainCase },
): Promise<Deno.TcpConn | Deno.TlsConn> {
  const { service, from, via, cert, serverName } = each;
  const port = culvert.port(service);
  const caCerts = [fixture.ca.certPem];
  if (service === "mutual" || service === "optional") {
    const own = cert === undefined ? undefined : fixture.clients[cert]!;
    const client = own === undefined ? {} : { cert: own.chainPem, key: own.keyPem };
    return await Deno.connectTls({ hostname: "127.0.0.1", port, caCerts, ...client });
  }
  const connection = await connect(port);
  const header = via === undefined ? "PROXY UNKNOWN\r\n" : proxyHeader(from!);
  if (service === "behind") await connection.write(new TextEncoder().encode(header));
  if (service !== "names" && service !== "fallback") return connection;
  // The backend speaks no TLS: its answer ends the handshake.
  return await Deno.startTls(connection, { hostname: serverName ?? "127.0.0.1", caCerts });
}

async function readAll(connection: Deno.Conn): Promise<string> {
  const decoder = new TextDecoder();
  const buffer = new Uint8Array(4096);
  let text = "";
  for (;;) {
    const count = await connection.read(buffer);
    if (count === null) return text;
    text += decoder.decode(buffer.subarray(0, count), { stream: true });
  }
}

function proxyHeader(from: string): string {
  return from.includes(":")
    ? `PROXY TCP6 ${from} 2001:db8::1 1024 80\r\n`
    : `PROXY TCP4 ${from} 10.0.0.1 1024 80\r\n`;
}

function isEnd({ message }: LogRecord): boolean {
  return message === "connection refused" || message === "connection closed";
}

const POLICY = `version: 1
services:
  - name: db
    listen: ["127.0.0.1:0"]
    deny: []
    allow:
      - 10.0.0.0/8
    upstream:
      backends: ["10.9.9.9:5432"]
`;

Deno.test("what is explained is what happens", async () => {
  using db = startBackend(named("db"));
  using app = startBackend(named("app"));
  await using fixture = await explainFixture({ db: db.address, app: app.address });
  await using culvert = await startCulvert(fixture.config);
  const backends = { db: db.address, app: app.address };
  for (const each of CASES) {
    const { title, expect: { verdict, upstream, target, status, location } } = each;
    const isHttp = each.request !== undefined;
    const match = isHttp ? { message: "request" } : isEnd;
    const seen = culvert.found(match).length;
    const text = await attempt(culvert, { fixture, each }).catch(() => "");
    const end = await culvert.waitFor(match, seen + 1);
    if (verdict !== "accept") assertEquals(end.reason, verdict, title);
    else {
      assertMatch(String(end.reason), /^(?:ok|client-closed|backend-closed|client-reset)$/, title);
      assertEquals(end.backend, backends[upstream as "db" | "app"], title);
    }
    if (status !== undefined) assertEquals(text.split(" ")[1], String(status), title);
    if (location !== undefined) {
      assertMatch(text, new RegExp(`\r\nlocation: ${RegExp.escape(location)}\r\n`, "i"), title);
    }
    if (target !== undefined && verdict === "accept") {
      assertStringIncludes(text, `${upstream} ${target}`, title);
    }
  }
  await culvert.finish();
});

Deno.test("explain prints each step with its line, and its exit code says whether the client is accepted", async () => {
  await using folder = new TemporaryFolder();
  const file = folder.file("culvert.yaml");
  await Deno.writeTextFile(file, POLICY);
  const flags = [`--allow-read=${file}`];
  const explain = (...args: string[]) =>
    run(DENO, ["run", ...flags, MAIN, "explain", "--config", file, "--service", "db", ...args]);
  const accepted = await explain("--from", "10.1.1.1");
  assertEquals([accepted.code, accepted.stderr], [0, ""]);
  assertEquals(
    accepted.stdout.replaceAll(file, "FILE"),
    `ok       address   10.1.1.1 is in allow  [FILE:7]
ok       backends  db, by round-robin: 10.9.9.9:5432; 2 more at most are tried if one fails  [FILE:9]
verdict: accept, upstream db
`,
  );
  const refused = await explain("--from", "192.0.2.1");
  assertEquals([refused.code, refused.stderr], [1, ""]);
  assertStringIncludes(refused.stdout, "verdict: refused-by-allow\n");
  const bad = await explain("--from", "localhost");
  assertEquals([bad.code, bad.stdout], [64, ""]);
  assertStringIncludes(bad.stderr, "--from localhost: expected an IP address");
});

Deno.test("check runs the policy tests, and each that fails is a problem with its line", async () => {
  await using folder = new TemporaryFolder();
  const file = folder.file("culvert.yaml");
  const check = async (tests: string) => {
    await Deno.writeTextFile(file, `${POLICY}tests:\n${tests}`);
    return await run(DENO, ["run", `--allow-read=${file}`, MAIN, "check", "--config", file]);
  };
  const good = await check(`  - {service: db, from: 10.1.1.1, expect: accept}
  - {service: db, from: 192.0.2.1, expect: refused-by-allow}
  - {service: db, from: 10.1.1.1, expect: {verdict: accept, upstream: db}}
`);
  assertEquals([good.code, good.stderr], [0, ""]);
  assertStringIncludes(good.stdout, "3 policy tests");
  const bad = await check(`  - {service: db, from: 10.1.1.1, expect: accept}
  - name: the office
    service: db
    from: 192.0.2.1
    expect: accept
`);
  assertEquals([bad.code, bad.stdout], [78, ""]);
  assertEquals(
    bad.stderr.replaceAll(file, "FILE"),
    'FILE:12: tests[1]: test "the office" failed: expected verdict accept, got refused-by-allow ' +
      "(address: 192.0.2.1 is not in allow)\n",
  );
});
