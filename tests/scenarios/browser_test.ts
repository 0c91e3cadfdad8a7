import { assertEquals } from "@std/assert";
import { Browser } from "../support/browser.ts";
import { testWith } from "../support/installed.ts";

testWith(["chromium"], "Chromium loads a page", async () => {
  await using browser = await Browser.start();
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    () => new Response("<title>Culvert</title>", { headers: { "Content-Type": "text/html" } }),
  );
  await using _server = { [Symbol.asyncDispose]: () => server.shutdown() };
  const page = await browser.newPage();
  await page.goto(`http://127.0.0.1:${server.addr.port}/`);
  assertEquals(await page.title(), "Culvert");
});
