import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type { LiveView } from "../../src/admin/live/live_view.ts";
import { ADMIN_HEAD, AdminClient } from "../support/admin_client.ts";
import { connect, exchange, greet, readLine, startBackend } from "../support/peers.ts";
import { startCulvert } from "../support/program.ts";
import { proxyConfig } from "../support/proxy_config.ts";
import { until } from "../support/wait.ts";

/** Live events as they come. */
class Events implements Disposable {
  // deno-lint-ignore no-explicit-any -- what it has depends on its name
  readonly all: { name: string; data: any }[] = [];
  readonly #client = Deno.createHttpClient({ poolMaxIdlePerHost: 0 });
  readonly #abort = new AbortController();
  ended = false;

  async listen(url: string): Promise<void> {
    const response = await fetch(url, { client: this.#client, signal: this.#abort.signal });
    assertEquals(response.headers.get("content-type"), "text/event-stream");
    void this.#read(response.body!.pipeThrough(new TextDecoderStream())).catch(() => this.ended = true);
  }

  async #read(stream: ReadableStream<string>): Promise<void> {
    let text = "";
    for await (const piece of stream) {
      const blocks = (text + piece).split("\n\n");
      text = blocks.pop()!;
      for (const block of blocks) {
        const [, name, data] = /^event: (\w+)\ndata: (.*)$/m.exec(block) ?? [];
        if (name !== undefined) this.all.push({ name, data: JSON.parse(data!) });
      }
    }
    this.ended = true;
  }

  [Symbol.dispose](): void {
    this.#abort.abort();
    this.#client.close();
  }
}

Deno.test("the live page and its events need no permission to read files, and follow the program to its end", async () => {
  using backend = startBackend(greet("a"));
  await using culvert = await startCulvert(proxyConfig({ backends: [backend.address], head: ADMIN_HEAD }));
  using admin = new AdminClient(culvert);
  const base = `http://${culvert.found({ message: "admin API" }).at(-1)!.listener}`;
  const fetchText = async (path: string) => {
    const response = await fetch(base + path);
    return { text: await response.text(), headers: response.headers };
  };
  const { text: html, headers } = await fetchText("/");
  assertStringIncludes(html, '<script type="module" src="/page.js"></script>');
  const policy = headers.get("content-security-policy")!;
  assertStringIncludes(policy, "default-src 'none'; script-src 'self'; style-src 'self'");
  assert(!policy.includes("unsafe"), policy);
  for (const path of ["/page.js", "/page.css", "/icon.svg"]) {
    assert((await fetchText(path)).text.length > 100, path);
  }

  using events = new Events();
  await events.listen(`${base}/api/live`);
  await until(() => events.all.length > 0, { what: "the snapshot" });
  const { view } = events.all[0]!.data as { view: LiveView };
  assertEquals([events.all[0]!.name, view.program.state], ["snapshot", "ready"]);
  assertEquals(Object.keys(view.upstreams.main!.backends), [backend.address]);

  using client = await connect(culvert.port("main"));
  assertEquals([await readLine(client), await exchange(client, "hello")], ["a", "hello"]);
  const active = () => events.all.some(({ data }) => data.view.services?.main?.active === 1);
  await until(active, { what: "the connection to be shown" });
  const { json: { sessions: [session] } } = await admin.ask("/api/connections?search=main");
  assertEquals([session.backend, session.state, session.bytesUp], [backend.address, "open", 5]);
  const { json } = await admin.ask(`/api/connections/${session.id}/close`, { method: "POST" });
  assertEquals(json, { closed: 1 });
  assertEquals((await culvert.waitFor({ message: "connection closed" })).reason, "closed-by-admin");
  const { fields, method, path, status, client: from } = await culvert.waitFor({
    message: "admin request",
    path: `/api/connections/${session.id}/close`,
  }) as Record<string, unknown>;
  assertEquals([fields, method, path, status], [
    undefined,
    "POST",
    `/api/connections/${session.id}/close`,
    200,
  ]);
  assertStringIncludes(String(from), "127.0.0.1:");
  await admin.ask("/api/log/level", { method: "PUT", body: { level: "warn" } });
  const level = () => events.all.some(({ data }) => data.view.program?.logLevel === "warn");
  await until(level, { what: "the level of the log" });

  culvert.signal("SIGTERM");
  assertEquals(await culvert.exit, 0);
  await until(() => events.ended, { what: "the events to end" });
});

Deno.test("a request whose connection to its backend an operator closes gets 502, and an idle client is closed", async () => {
  const pending = Promise.withResolvers<void>();
  await using backend = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    if (new URL(request.url).pathname === "/slow") await pending.promise;
    return new Response("hello");
  });
  const config = `${ADMIN_HEAD}services:
  - name: web
    protocol: http
    listen: ["127.0.0.1:0"]
    upstream: {backends: ["127.0.0.1:${backend.addr.port}"]}
`;
  await using culvert = await startCulvert(config);
  using admin = new AdminClient(culvert);
  const url = `http://127.0.0.1:${culvert.port("web")}`;
  using client = Deno.createHttpClient({ poolMaxIdlePerHost: 1 });
  const list = async () => (await admin.ask("/api/connections")).json.sessions;
  const until1 = (what: string, check: (session: Record<string, unknown>) => boolean) =>
    until(async () => (await list()).some(check), { what });

  assertEquals(await (await fetch(`${url}/quick`, { client })).text(), "hello");
  await until1("the idle client", ({ state, backend }) => state === "idle" && backend === undefined);
  const answer = fetch(`${url}/slow`, { client });
  await until1("the request", ({ request }) => (request as { path?: string } | undefined)?.path === "/slow");
  const address = encodeURIComponent(`127.0.0.1:${backend.addr.port}`);
  const path = `/api/upstreams/web/backends/${address}/close`;
  assertEquals((await admin.ask(path, { method: "POST" })).json, { closed: 1 });
  const { status, body } = await answer;
  await body?.cancel();
  assertEquals(status, 502);
  pending.resolve();
  const reasons = async () => (await admin.status()).services[0]!.requests!.byReason;
  await until(async () => (await reasons())["closed-by-admin"] === 1, { what: "the reason of the request" });
  assertEquals(await reasons(), { ok: 1, "closed-by-admin": 1 });

  assertEquals(await (await fetch(`${url}/quick`, { client })).text(), "hello");
  await until1("the idle client", ({ state }) => state === "idle");
  const [{ id }] = await list();
  assertEquals((await admin.ask(`/api/connections/${id}/close`, { method: "POST" })).json, { closed: 1 });
  const ended = async () => (await admin.status()).services[0]!.ended["closed-by-admin"];
  await until(async () => await ended() === 1, { what: "the client to be closed" });
});
