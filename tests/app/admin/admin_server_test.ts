import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { AdminServer } from "../../../src/app/admin/admin_server.ts";
import type { AdminCredentials } from "../../../src/app/credentials/credentials_loader.ts";
import type { AdminConfig } from "../../../src/config/config.ts";
import { CulvertError } from "../../../src/core/errors.ts";
import { TimerWheel } from "../../../src/core/timer_wheel.ts";
import { parseAddress } from "../../../src/net/address.ts";
import { BufferPool } from "../../../src/net/buffers.ts";
import { TlsGate } from "../../../src/tls/gate.ts";
import { FakeTarget } from "../../admin/fake_target.ts";
import { readText, writeAll } from "../../support/bytes.ts";
import { RecordingLog } from "../../support/recording_log.ts";
import { TemporaryFolder } from "../../support/folder.ts";
import { until, within } from "../../support/wait.ts";
import { type Pki, pki } from "../../tls/tls_fixture.ts";
import { closed } from "../control/app_fixture.ts";

const LOCAL = "127.0.0.1:0";

/** An admin server over a program that does nothing, with what a supervisor does of a reload. */
class Fixture implements AsyncDisposable {
  readonly target = new FakeTarget();
  readonly log = new RecordingLog();
  readonly wheel = new TimerWheel();
  readonly buffers = new BufferPool();
  readonly server: AdminServer = new AdminServer(this);

  /** Changes to another address, to another kind of TLS, or to none. */
  async apply(listen: string | undefined, credentials?: AdminCredentials): Promise<void> {
    const config = listen === undefined ? undefined : configOf(listen, credentials);
    using plan = await this.server.prepare({ config, credentials });
    plan.commit();
  }

  get port(): number {
    const { address } = this.server;
    assert(address?.kind === "tcp");
    return address.port;
  }

  get url(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** A connection with a plain request for a reload that is under way. */
  async reloading(): Promise<Deno.TcpConn> {
    const connection = await Deno.connect({ hostname: "127.0.0.1", port: this.port });
    const begun = this.target.reloadBegun();
    const head = `POST /api/reload HTTP/1.1\r\nHost: localhost:${this.port}\r\n\r\n`;
    await writeAll(connection, new TextEncoder().encode(head));
    await begun;
    return connection;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await within(this.server.close(), { what: "the admin server to close" });
    assertEquals(this.target.history.recording, false);
  }
}

function configOf(listen: string, credentials?: AdminCredentials): AdminConfig {
  const tls = { certPath: "c", keyPath: "k", minVersion: "1.2", maxVersion: "1.3", alpn: [] } as const;
  return { listen: parseAddress(listen), ...(credentials === undefined ? {} : { tls }) };
}

/** TLS that asks for a certificate. */
function credentialsOf({ ca, server }: Pki): AdminCredentials {
  const own = {
    cert: server.chainPem,
    key: server.keyPem,
    minVersion: "1.2",
    maxVersion: "1.3",
    alpn: [],
  } as const;
  const client = { ca: ca.certPem, allow: [{ any: true }] } as const;
  return {
    credentials: { ...own, clientAuth: { mode: "require", ...client } },
    gate: new TlsGate({ ...own, clientAuth: "require", ...client }),
    names: ["server.test"],
  };
}

type ClientOptions = Parameters<typeof Deno.createHttpClient>[0];

/** Whether a client with this context gets a response. */
async function answers(url: string, options: ClientOptions = { caCerts: [] }): Promise<boolean> {
  using client = Deno.createHttpClient({ poolMaxIdlePerHost: 0, ...options });
  try {
    return (await (await fetch(`${url}/healthz`, { client })).json()).status === "ok";
  } catch {
    return false;
  }
}

/** Keys of a client that shows this certificate. */
function showing({ ca, client }: Pki): ClientOptions {
  return { caCerts: [ca.certPem], cert: client.chainPem, key: client.keyPem };
}

Deno.test("the same address keeps its socket through reloads", async () => {
  await using fixture = new Fixture();
  assertEquals(fixture.server.address, undefined);
  await fixture.apply(LOCAL);
  const { port } = fixture;
  using client = Deno.createHttpClient({ poolMaxIdlePerHost: 1 });
  for (let i = 0; i < 5; i++) {
    const response = await fetch(`http://${fixture.url}/healthz`, { client });
    assertEquals([response.status, fixture.port], [200, port]);
    await response.body?.cancel();
    await fixture.apply(LOCAL);
  }
  assertEquals(fixture.log.messages.filter((message) => message === "admin API"), ["admin API"]);
});

Deno.test("from one address to another there is no moment without a listener", async () => {
  await using fixture = new Fixture();
  await fixture.apply(LOCAL);
  const before = fixture.port;
  const config = configOf("localhost:0");
  using plan = await fixture.server.prepare({ config, credentials: undefined });
  assertEquals([fixture.port, await answers(`http://${fixture.url}`)], [before, true]);
  plan.commit();
  assert(fixture.port !== before);
  assertEquals(await answers(`http://localhost:${fixture.port}`), true);
  await closed(before);
});

Deno.test("an admin listener that is removed is closed, and may come back", async () => {
  await using fixture = new Fixture();
  await fixture.apply(LOCAL);
  const { port } = fixture;
  await fixture.apply(undefined);
  assertEquals(fixture.server.address, undefined);
  await closed(port);
  await fixture.apply(undefined);
  await fixture.apply(`127.0.0.1:${port}`);
  assertEquals([fixture.port, await answers(`http://${fixture.url}`)], [port, true]);
});

Deno.test("a unix socket's file is there while it is served on, and no longer", async () => {
  await using folder = new TemporaryFolder();
  await using fixture = new Fixture();
  const [one, two] = [folder.file("one.sock"), folder.file("two.sock")];
  await fixture.apply(`unix:${one}`);
  await fixture.apply(`unix:${one}`);
  assertEquals(Deno.statSync(one).mode! & 0o777, 0o600);
  await fixture.apply(`unix:${two}`);
  await until(() => [...Deno.readDirSync(folder.path)].length === 1, { what: "the old file to go" });
  assertEquals([...Deno.readDirSync(folder.path)].map(({ name }) => name), ["two.sock"]);
});

Deno.test("an address that is taken is reported, and everything goes on as it was", async () => {
  await using fixture = new Fixture();
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const name = `127.0.0.1:${taken.addr.port}`;
  await fixture.apply(LOCAL);
  const { port } = fixture;
  using idle = await Deno.connect({ hostname: "127.0.0.1", port });
  const error = await assertRejects(() => fixture.apply(name), CulvertError, name);
  assertEquals([error.code, fixture.port], ["listen_failed", port]);
  const request = `GET /healthz HTTP/1.1\r\nHost: ${fixture.url}\r\nConnection: close\r\n\r\n`;
  await writeAll(idle, new TextEncoder().encode(request));
  assertStringIncludes(await readText(idle), '{"status":"ok"}');
  await fixture.apply(LOCAL);
  assertEquals(fixture.port, port);
});

Deno.test("the client whose reload moves or removes the listener gets a response", async () => {
  const good = await pki();
  const changes: [listen: string | undefined, credentials?: AdminCredentials][] = [
    [undefined],
    ["localhost:0"],
    [LOCAL, credentialsOf(good)],
  ];
  for (const [listen, credentials] of changes) {
    await using fixture = new Fixture();
    await fixture.apply(LOCAL);
    const { port } = fixture;
    using idle = await Deno.connect({ hostname: "127.0.0.1", port });
    fixture.target.reloaded = async () => {
      await fixture.apply(listen, credentials);
      return { ok: true, generation: 2 };
    };
    using asking = await fixture.reloading();
    const answer = await within(readText(asking), { what: "the answer, and the end" });
    assertStringIncludes(answer, "HTTP/1.1 200 OK\r\n");
    assertStringIncludes(answer, "Connection: close\r\n");
    assertStringIncludes(answer, '{"ok":true,"generation":2}');
    // What is idle on the listener of before, or in plain where TLS is spoken now, ends.
    assertEquals(await within(readText(idle), { what: "the idle connection's end" }), "");
  }
});

Deno.test("TLS comes to and goes from an address that stays, and what holds is what is asked for", async () => {
  const good = await pki();
  await using fixture = new Fixture();
  await fixture.apply(LOCAL);
  const { port } = fixture;
  const seen = async () => [
    await answers(`http://${fixture.url}`),
    await answers(`https://${fixture.url}`, { caCerts: [good.ca.certPem] }),
    await answers(`https://${fixture.url}`, showing(good)),
  ];
  assertEquals(await seen(), [true, false, false]);
  for (let i = 0; i < 2; i++) {
    await fixture.apply(LOCAL, credentialsOf(good));
    assertEquals([fixture.port, await seen()], [port, [false, false, true]]);
    await fixture.apply(LOCAL);
    assertEquals([fixture.port, await seen()], [port, [true, false, false]]);
  }
});

Deno.test("a pending handshake is closed when a reload removes TLS", async () => {
  await using fixture = new Fixture();
  await fixture.apply(LOCAL, credentialsOf(await pki()));
  using silent = await Deno.connect({ hostname: "127.0.0.1", port: fixture.port });
  // The one after it has been accepted after it.
  assertEquals(await answers(`https://${fixture.url}`, showing(await pki())), true);
  await fixture.apply(LOCAL);
  assertEquals(await within(readText(silent), { what: "the end" }), "");
  assertEquals(await answers(`http://${fixture.url}`), true);
});

Deno.test("TLS that is asked for and not there opens nothing", async () => {
  const good = await pki();
  await using fixture = new Fixture();
  await fixture.apply(LOCAL, credentialsOf(good));
  const { port } = fixture;
  const config = configOf(LOCAL, credentialsOf(good));
  await assertRejects(() => fixture.server.prepare({ config, credentials: undefined }), TypeError);
  assertEquals([fixture.port, await answers(`http://${fixture.url}`)], [port, false]);
  assertEquals(await answers(`https://${fixture.url}`, showing(good)), true);
});

Deno.test("where others can reach it, it is not served without TLS, and speaks none when TLS has gone", async () => {
  const good = await pki();
  await using fixture = new Fixture();
  const everywhere = configOf("0.0.0.0:0");
  const error = await assertRejects(
    () => fixture.server.prepare({ config: everywhere, credentials: undefined }),
    CulvertError,
  );
  assertEquals([error.code, fixture.server.address], ["admin_exposed", undefined]);
  await fixture.apply(LOCAL, credentialsOf(good));
  await assertRejects(() => fixture.apply("0.0.0.0:0"), CulvertError);
  assertEquals(await answers(`http://${fixture.url}`), false);
  assertEquals(await answers(`https://${fixture.url}`, showing(good)), true);
  // A configuration with such an address and without TLS is refused; if it were not, every client would be rejected.
  await fixture.apply("0.0.0.0:0", credentialsOf(good));
  assertEquals(await answers(`https://${fixture.url}`, showing(good)), true);
  await fixture.apply("0.0.0.0:0");
  assertEquals(await answers(`http://${fixture.url}`), false);
  assert(fixture.log.lines.some(({ fields }) => String(fields.error).includes("Cannot serve the admin API")));
});

Deno.test("a plan that is not committed leaves the listener as it is, and nothing bound", async () => {
  await using fixture = new Fixture();
  await fixture.apply(LOCAL);
  const { port } = fixture;
  const free = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const other = free.addr.port;
  free.close();
  {
    using _plan = await fixture.server.prepare({
      config: configOf(`127.0.0.1:${other}`),
      credentials: undefined,
    });
  }
  Deno.listen({ hostname: "127.0.0.1", port: other }).close();
  assertEquals([fixture.port, await answers(`http://${fixture.url}`)], [port, true]);
});
