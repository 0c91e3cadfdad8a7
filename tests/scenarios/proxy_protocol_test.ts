import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { readText } from "../support/bytes.ts";
import { output, run } from "../support/child.ts";
import { testWith } from "../support/installed.ts";
import { connect, echo, ending, readLine, startBackend } from "../support/peers.ts";
import { startCulvert } from "../support/program.ts";
import { proxyConfig } from "../support/proxy_config.ts";
import { startHaproxy, startNginx } from "../support/servers.ts";

const PROXIED = 'proxyProtocol: true, trusted: ["127.0.0.0/29"]';
const CLOSED = { message: "connection closed", service: "main" };
const REFUSED = { message: "connection refused", service: "main", reason: "refused-by-proxy" };

/** Answers with the client address, by the required header. */
const WHO = `server {
    listen 127.0.0.1:PORT proxy_protocol;
    location / { return 200 "$proxy_protocol_addr $proxy_protocol_server_port\\n"; }
  }`;
/** Answers with the address of its peer. */
const PLAIN = `server {
    listen 127.0.0.1:PORT;
    location / { return 200 "$remote_addr\\n"; }
  }`;

for (const version of ["v1", "v2"]) {
  testWith(["nginx", "curl"], `nginx gets the client address from a header of ${version}`, async () => {
    await using nginx = await startNginx(WHO);
    const upstream = `proxyProtocol: ${version}, pool: {minIdle: 1}`;
    await using culvert = await startCulvert(
      proxyConfig({ backends: [nginx.address], upstream }),
      { idle: 1 },
    );
    const port = culvert.port("main");
    for (const from of ["127.0.0.1", "127.0.0.9"]) {
      const answer = await output("curl", [
        "-sS",
        "--fail",
        "--interface",
        from,
        `http://127.0.0.1:${port}/`,
      ]);
      assertEquals(answer, `${from} ${port}\n`);
    }
    const { unique_id } = await culvert.waitFor(CLOSED, 2);
    assertMatch(String(unique_id), version === "v1" ? /^undefined$/ : /^[0-9a-f-]{36}$/);
    await culvert.finish();
  });
}

testWith(
  ["nginx", "curl"],
  "curl names the client: in the log, for the rules, and on to the backend",
  async () => {
    await using nginx = await startNginx(WHO);
    await using culvert = await startCulvert(proxyConfig({
      backends: [nginx.address],
      upstream: "proxyProtocol: v2",
      service: `${PROXIED}, allow: ["127.0.0.0/8", "2001:db8::/32"], deny: ["127.0.0.3"]`,
    }));
    const url = `http://127.0.0.1:${culvert.port("main")}/`;

    const answer = await output("curl", ["-sS", "--fail", "--haproxy-protocol", url]);
    assertEquals(answer, `127.0.0.1 ${culvert.port("main")}\n`);
    assertMatch(String((await culvert.waitFor(CLOSED)).client), /^127\.0\.0\.1:\d+$/);

    const denied = await run("curl", ["-sS", "--haproxy-protocol", "--interface", "127.0.0.3", url]);
    assertEquals(denied.code === 0, false);
    const line = await culvert.waitFor({ message: "connection refused", reason: "refused-by-deny" });
    assertMatch(String(line.client), /^127\.0\.0\.3:/);

    // By hand: what curl of every version can't say. The request comes with the header.
    using client = await connect(culvert.port("main"));
    const request = "PROXY TCP6 2001:db8::7 2001:db8::1 4711 443\r\nGET / HTTP/1.0\r\n\r\n";
    await client.write(new TextEncoder().encode(request));
    assertStringIncludes(await readText(client), "\r\n\r\n2001:db8::7 443\n");
    await client.closeWrite();
    await culvert.waitFor({ ...CLOSED, client: "[2001:db8::7]:4711" });
    await culvert.finish();
  },
);

testWith(["nginx", "curl"], "curl without a header, or from an untrusted address, is refused", async () => {
  await using nginx = await startNginx(PLAIN);
  await using culvert = await startCulvert(proxyConfig({ backends: [nginx.address], service: PROXIED }));
  const url = `http://127.0.0.1:${culvert.port("main")}/`;
  assertEquals((await run("curl", ["-sS", url])).code === 0, false);
  assertStringIncludes(String((await culvert.waitFor(REFUSED)).error), "there is none");
  const far = await run("curl", ["-sS", "--haproxy-protocol", "--interface", "127.0.0.9", url]);
  assertEquals(far.code === 0, false);
  assertMatch(String((await culvert.waitFor(REFUSED, 2)).client), /^127\.0\.0\.9:/);
  // The client is told, the backend is not.
  assertEquals(await output("curl", ["-sS", "--fail", "--haproxy-protocol", url]), "127.0.0.1\n");
  await culvert.waitFor(CLOSED);
  await culvert.finish();
});

Deno.test("a silent client is closed after timeouts.handshake; one that only connects ends as client-closed", async () => {
  using backend = startBackend(echo);
  await using culvert = await startCulvert(
    proxyConfig({ backends: [backend.address], service: PROXIED, timeouts: "handshake: 300ms" }),
  );
  {
    using _check = await connect(culvert.port("main"));
  }
  await culvert.waitFor({ ...CLOSED, reason: "client-closed" });
  using silent = await connect(culvert.port("main"));
  assertEquals(await ending(silent), "end");
  await culvert.waitFor({ ...CLOSED, reason: "handshake" });
  assertEquals(backend.accepted, 0);
  await culvert.finish();
});

for (const send of ["send-proxy", "send-proxy-v2"]) {
  testWith(["haproxy"], `HAProxy in front (${send}) and behind: the client is known throughout`, async () => {
    using backend = startBackend(echo);
    await using behind = await startHaproxy(`listen behind
  bind 127.0.0.1:PORT accept-proxy
  server end ${backend.address} send-proxy`);
    await using culvert = await startCulvert(proxyConfig({
      backends: [`127.0.0.1:${behind.port}`],
      upstream: `proxyProtocol: ${send === "send-proxy" ? "v1" : "v2"}`,
      service: PROXIED,
    }));
    await using front = await startHaproxy(`listen front
  bind 127.0.0.1:PORT
  server culvert 127.0.0.1:${culvert.port("main")} ${send}`);
    using client = await connect(front.port);
    await client.write(new TextEncoder().encode("hello"));
    await client.closeWrite();
    // The echo of what the last one in the row has been told.
    const { port } = client.localAddr;
    const header = `PROXY TCP4 127.0.0.1 127.0.0.1 ${port} ${front.port}\r\n`;
    assertEquals(await readText(client), `${header}hello`);
    const closed = await culvert.waitFor(CLOSED);
    assertEquals([closed.client, closed.reason], [`127.0.0.1:${port}`, "client-closed"]);
    await culvert.finish();
  });
}

Deno.test("a reload switches the header on and off", async () => {
  using backend = startBackend(echo);
  const config = (version: string) =>
    proxyConfig({ backends: [backend.address], upstream: `proxyProtocol: ${version}` });
  await using culvert = await startCulvert(config("none"), { later: [config("v1")] });
  const port = culvert.port("main");
  const first = async () => {
    using client = await connect(port);
    await client.write(new TextEncoder().encode("hello\n"));
    return (await readLine(client)).split(" ").slice(0, 3).join(" ");
  };
  assertEquals(await first(), "hello");
  await culvert.reload(config("v1"));
  assertEquals(await first(), "PROXY TCP4 127.0.0.1");
  await culvert.reload(config("none"));
  assertEquals(await first(), "hello");
  await culvert.waitFor(CLOSED, 3);
  await culvert.finish();
});
