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
