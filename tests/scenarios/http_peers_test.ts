import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import type { Page } from "playwright-core";
import { Browser } from "../support/browser.ts";
import { sha256 } from "../support/bytes.ts";
import { output, run } from "../support/child.ts";
import { testWith } from "../support/installed.ts";
import { DOWNLOAD, type Entry, type HttpPeers, PEER_PROGRAMS, startHttpPeers } from "./http_peers.ts";

const NAMES = ["nginx", "node", "deno"];
const FILE_BYTES = 300_000;

function curl({ args }: Entry, more: readonly string[]): Promise<string> {
  return output("curl", ["-sS", "--fail", ...args, ...more]);
}

/** Small requests on one connection, uploads and downloads of files, chunks and trailers both ways. */
async function askByCurl(peers: HttpPeers, entry: Entry): Promise<void> {
  const { url } = entry;
  const small = Array.from({ length: 8 }, () => NAMES.map((name) => `${url}/${name}/name`)).flat();
  assertEquals(await curl(entry, small), NAMES.join("").repeat(8));
  const file = peers.files.folder.file("large");
  const content = DOWNLOAD.slice(0, FILE_BYTES);
  await Deno.writeFile(file, content);
  await curl(entry, ["-T", file, `${url}/nginx/${entry.name}`]);
  assertEquals(sha256(await Deno.readFile(peers.nginx.folder.file(entry.name))), sha256(content));
  const got = peers.files.folder.file("got");
  await curl(entry, ["-o", got, `${url}/nginx/${entry.name}`]);
  assertEquals(sha256(await Deno.readFile(got)), sha256(content));
  const chunked = ["-H", "Transfer-Encoding: chunked", "--data-binary", `@${file}`];
  assertEquals(await curl(entry, [...chunked, `${url}/deno/hash`]), sha256(content));
  const head = peers.files.folder.file("head");
  const expecting = ["-H", "Expect: 100-continue", "-D", head, "-o", got];
  await curl(entry, [...chunked, ...expecting, `${url}/node/echo`]);
  assertEquals(sha256(await Deno.readFile(got)), sha256(content));
  const fields = await Deno.readTextFile(head);
  assertMatch(fields, /^HTTP\/1\.1 100 Continue\r\n/);
  assertMatch(fields, /^HTTP\/1\.1 103 Early Hints\r\nlink: <\/style\.css>/im);
  assertMatch(fields, new RegExp(`^x-count: ${content.length}\r$`, "im"), "the trailer");
}

/** A raw request and an upgrade, by a client that only speaks TLS. */
async function askByOpenssl({ culvert, trust }: HttpPeers, version: "-tls1_2" | "-tls1_3"): Promise<void> {
  const input = "GET /node/name HTTP/1.1\r\nHost: localhost\r\n\r\n" +
    "GET /node/ HTTP/1.1\r\nHost: localhost\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\nping";
  for (const name of ["tls", "mutual"]) {
    const own = name === "tls" ? [] : ["-cert", trust.client.cert, "-key", trust.client.key];
    const server = [
      "-connect",
      `localhost:${culvert.port(name)}`,
      "-CAfile",
      trust.ca,
      "-verify_return_error",
    ];
    const args = ["s_client", ...server, ...own, version, "-quiet", "-ign_eof", "-alpn", "http/1.1"];
    const { stdout } = await run("openssl", args, { input });
    assertStringIncludes(stdout, "\r\n\r\nnode");
    assertStringIncludes(stdout, "HTTP/1.1 101 Switching Protocols\r\n");
    assert(stdout.endsWith("ping"), stdout);
  }
}

/** Ends the load after 400 responses. */
const WRK_SCRIPT = `local count = 0
function response()
  count = count + 1
  if count == 400 then wrk.thread:stop() end
end`;

/** Resolves to how many requests there were in a second: on a busy machine, few. */
async function askByWrk({ files }: HttpPeers, url: string): Promise<number> {
  const script = files.put("script.lua", WRK_SCRIPT);
  const report = await output("wrk", ["-t1", "-c8", "-d1", "-s", script, url]);
  assert(!/Non-2xx|Socket errors/.test(report), report);
  return Number(/^ +(\d+) requests in /m.exec(report)![1]);
}

/** What a page of the application does in a browser. */
async function askByBrowser(page: Page, url: string): Promise<void> {
  await page.goto(`${url}/deno/page`);
  const widths = await page.evaluate("[...document.images].map((image) => image.naturalWidth)");
  assertEquals(widths, Array(12).fill(8));
  const [download] = await Promise.all([page.waitForEvent("download"), page.click("a")]);
  assertEquals(sha256(await Deno.readFile(await download.path())), sha256(DOWNLOAD));
  const echoed = await page.evaluate(`new Promise((resolve, reject) => {
    const socket = new WebSocket("/deno/socket");
    socket.onopen = () => socket.send("x".repeat(100000));
    socket.onmessage = ({ data }) => { socket.close(); resolve(data.length); };
    socket.onerror = () => reject(new Error("the WebSocket has failed"));
  })`);
  assertEquals(echoed, 100_000);
  const events = await page.evaluate(`new Promise((resolve) => {
    const source = new EventSource("/deno/events");
    const events = [];
    source.onmessage = ({ data }) => {
      if (events.push(data) < 3) return;
      source.close();
      resolve(events);
    };
  })`);
  assertEquals(events, ["one", "two", "three"]);
  await page.click("button");
  assertEquals(await page.title(), "sent");
}

testWith(
  [...PEER_PROGRAMS, "chromium", "curl", "openssl", "wrk"],
  "curl, wrk, openssl and Chromium reach nginx, Node and Deno by plain, TLS and mutual-TLS listeners",
  async (t) => {
    await using peers = await startHttpPeers();
    for (const entry of peers.entries) await t.step(`curl, ${entry.name}`, () => askByCurl(peers, entry));
    for (const version of ["-tls1_2", "-tls1_3"] as const) {
      await t.step(`openssl ${version}`, () => askByOpenssl(peers, version));
    }
    await t.step("wrk", async () => {
      const entries = peers.entries.filter(({ name }) => name !== "mutual");
      const urls = entries.flatMap(({ url }) => NAMES.map((name) => `${url}/${name}/name`));
      const counts = await Promise.all(urls.map((url) => askByWrk(peers, url)));
      assert(counts.some((count) => count > 0), String(counts));
    });
    await t.step("Chromium", async () => {
      await using browser = await Browser.start();
      const page = await browser.newPage();
      for (const { name, url } of peers.entries) {
        if (name !== "mutual") await askByBrowser(page, url);
      }
    });
    peers.culvert.signal("SIGTERM");
    assertEquals(await peers.culvert.exit, 0);
    assertEquals(peers.culvert.found({ level: "ERROR" }), []);
    assertEquals(peers.culvert.found({ message: "request", reason: "failed" }), []);
  },
);
