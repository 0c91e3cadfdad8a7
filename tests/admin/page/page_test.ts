import { assertEquals, assertStringIncludes } from "@std/assert";
import axe from "axe-core";
import type { Page } from "playwright-core";
import { AdminError } from "../../../src/admin/admin_error.ts";
import { ADMIN_HEAD, AdminClient } from "../../support/admin_client.ts";
import { Browser } from "../../support/browser.ts";
import { testWith } from "../../support/installed.ts";
import { connect, greet, readLine, startBackend } from "../../support/peers.ts";
import { startCulvert } from "../../support/program.ts";
import { proxyConfig } from "../../support/proxy_config.ts";
import { until } from "../../support/wait.ts";
import { TestAdmin } from "../listener_fixture.ts";
import { busyScene, busyStatus, HOSTILE, hostileScene, largeScene, SceneTarget, session } from "./scene.ts";

/** WCAG 2.2, levels A and AA. */
const WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];
const BACKEND = "10.0.0.11:5432";

/** The live page over a program that is made up, for one step of a test. */
class Opened implements AsyncDisposable {
  readonly faults: string[] = [];
  readonly admin: TestAdmin;
  readonly page: Page;

  private constructor(admin: TestAdmin, page: Page) {
    this.admin = admin;
    this.page = page;
    page.on("pageerror", (error) => this.faults.push(String(error)));
    page.on("console", (message) => {
      // Orders that are refused are errors of the network to the browser.
      const isRefusal = message.text().includes("the server responded with a status of 422");
      if (message.type() === "error" && !isRefusal) this.faults.push(message.text());
    });
    page.on("request", (request) => {
      if (!request.url().startsWith(admin.url("/"))) this.faults.push(`another host: ${request.url()}`);
    });
  }

  static async open(browser: Browser, target: SceneTarget): Promise<Opened> {
    const admin = await TestAdmin.start({ target });
    const opened = new Opened(admin, await browser.newPage());
    await opened.page.goto(admin.url("/"));
    await opened.page.waitForSelector("body.writes .state:not(.idle)");
    return opened;
  }

  /** What a part of the page says. */
  text(selector: string): Promise<string> {
    return this.page.locator(selector).first().innerText();
  }

  /** Until a part of the page says this. */
  async says(selector: string, text: string): Promise<void> {
    await this.page.locator(selector).filter({ hasText: text }).first().waitFor();
  }

  /** Clicks a button of the dialog. */
  async press(name: string): Promise<void> {
    await this.page.locator("dialog").getByRole("button", { name, exact: true }).click();
  }

  /** What axe finds against WCAG. */
  async violations(): Promise<string[]> {
    await this.page.evaluate(axe.source);
    return await this.page.evaluate<string[], string[]>(async (tags) => {
      const { axe } = globalThis as unknown as { axe: typeof import("axe-core") };
      const { violations } = await axe.run({ runOnly: tags });
      return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`);
    }, WCAG);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.page.close();
    await this.admin[Symbol.asyncDispose]();
  }
}

testWith(["chromium"], "the live page, in a browser", async (t) => {
  await using browser = await Browser.start();
  await t.step("shows every state, in both themes, narrow and wide", (t) => showsStates(t, browser));
  await t.step("acts: each order is confirmed, and its answer shown", (t) => acts(t, browser));
  await t.step("drains a backend of a real program", () => drainsBackend(browser));
});

async function showsStates(t: Deno.TestContext, browser: Browser): Promise<void> {
  await t.step("services, upstreams, backends in every state, certificates, reloads, failures", async () => {
    await using opened = await Opened.open(browser, busyScene());
    const { page } = opened;
    assertEquals(await opened.text("#state"), "Ready");
    const states = await page.locator(".backend-state").allInnerTexts();
    assertEquals(states, ["up", "up", "down", "up", "up", "ejected", "drained", "unknown"]);
    assertEquals(await page.locator(".services h3").allInnerTexts(), ["postgres", "web"]);
    assertStringIncludes(await opened.text(".upstream"), "2 of 3 backends available");
    assertEquals(await page.locator(".chart canvas").count(), 4);
    assertStringIncludes(await opened.text("#notices"), "CN=proxy.internal needs attention: 3 days");
    assertStringIncludes(await opened.text("#certificates"), "211 days");
    assertStringIncludes(await opened.text("#reloads"), "line 12: services[0].lisen");
    const failures = await opened.text("#failures");
    assertStringIncludes(failures, "connect-failed in postgres");
    assertStringIncludes(failures, "Check that the backend runs");
    assertEquals(opened.faults, []);
  });

  await t.step("axe finds nothing, in both themes, narrow and wide", async () => {
    await using opened = await Opened.open(browser, busyScene());
    const { page } = opened;
    for (const [colorScheme, width] of [["light", 1440], ["dark", 360]] as const) {
      await page.emulateMedia({ colorScheme });
      await page.setViewportSize({ width, height: 800 });
      await page.locator("#connections").scrollIntoViewIfNeeded();
      await page.locator("#connections tbody tr").first().waitFor();
      await page.locator("#failures summary").first().click();
      assertEquals(await opened.violations(), [], `${colorScheme} ${width}`);
      // Nothing is cut off: only tables scroll sideways.
      assertEquals(await page.evaluate<number>("document.documentElement.scrollWidth"), width);
    }
    await page.locator(".backend").first().click();
    assertEquals(await opened.violations(), [], "the dialog");
    assertEquals(opened.faults, []);
  });

  await t.step("names from clients and certificates stay text", async () => {
    await using opened = await Opened.open(browser, hostileScene());
    const { page } = opened;
    await page.locator("#connections").scrollIntoViewIfNeeded();
    for (const place of ["#notices", "#failures", "#certificates", "#reloads", "#connections tbody"]) {
      await opened.says(place, HOSTILE);
    }
    await page.locator("#failures summary").click();
    assertEquals(await page.locator("img, main script, iframe, [onerror]").count(), 0);
    assertEquals([await page.title(), await opened.text("#state")], ["Culvert (not ready)", "Not ready"]);
    assertStringIncludes(await opened.text(".upstream"), "No backend is available");
    assertEquals(opened.faults, []);
  });

  await t.step("a thousand backends: those in trouble first, the others counted and found", async () => {
    await using opened = await Opened.open(browser, largeScene(1000));
    const { page } = opened;
    const card = page.locator(".upstream").filter({ hasText: "fleet" });
    assertEquals(await card.locator(".backend").count(), 12);
    assertEquals(await card.locator(".backend-state").first().innerText(), "down");
    assertStringIncludes(await card.innerText(), "and 988 more backends");
    await card.getByRole("button", { name: "Show 200" }).click();
    assertEquals(await card.locator(".backend").count(), 200);
    await card.getByRole("searchbox").fill("10.1.3.231");
    assertEquals(await card.locator(".backend .address").allInnerTexts(), ["10.1.3.231:8080"]);
    assertEquals(opened.faults, []);
  });

  await t.step("what changes is shown without a reload, and rates follow from it", async () => {
    const target = busyScene();
    await using opened = await Opened.open(browser, target);
    target.document = busyStatus(10);
    await opened.page.locator(".service .figure").filter({ hasNotText: /^0 / }).first().waitFor();
    await opened.page.locator(".links .moving").first().waitFor({ state: "attached" });
    target.readiness = { ready: false, reasons: ["upstream db: no backend is available"] };
    await opened.says("#state", "Not ready");
    await opened.says("#notices", "Not ready: upstream db: no backend is available.");
    assertEquals(opened.faults, []);
  });

  await t.step("paused, nothing changes until it is resumed", async () => {
    const target = busyScene();
    await using opened = await Opened.open(browser, target);
    await opened.page.getByRole("button", { name: "Pause" }).click();
    const calls = () => target.calls.filter(([what]) => what === "live").length;
    const [before, seen] = [await opened.text(".upstreams"), calls()];
    const { upstreams: [db, ...others], ...more } = busyStatus(0);
    target.document = { ...more, upstreams: [{ ...db!, balance: "first" }, ...others] };
    await until(() => calls() >= seen + 3, { what: "further deltas" });
    assertEquals(await opened.text(".upstreams"), before);
    await opened.page.getByRole("button", { name: "Resume" }).click();
    await opened.says(".upstream", "first, 2 of 3");
  });

  await t.step("a program that is gone is said so plainly, and found again", async () => {
    await using opened = await Opened.open(browser, busyScene());
    const { page, admin } = opened;
    await page.route("**/api/live", (route) => route.abort());
    admin.listener.refresh();
    await opened.says("#state", "No connection");
    await opened.says("#notices", "The program does not answer");
    assertEquals(await page.title(), "Culvert (no connection)");
    await page.unroute("**/api/live");
    await opened.says("#state", "Ready");
    assertEquals(await page.locator("#notices").filter({ hasText: "does not answer" }).count(), 0);
    await page.route("**/api/live", (route) => route.fulfill({ status: 503, json: {} }));
    admin.listener.refresh();
    await opened.says("#notices", "sends this page no events");
    await page.unroute("**/api/live");
    await opened.says("#state", "Ready");
  });

  await t.step(
    "500 of the open connections are listed with the count of the rest, sorted and searched",
    async () => {
      const target = busyScene();
      target.sessions = Array.from({ length: 700 }, (_, index) => session(index));
      await using opened = await Opened.open(browser, target);
      const { page } = opened;
      const asked = () => target.calls.filter(([what]) => what === "connections").at(-1)?.[1];
      await page.locator("#connections").scrollIntoViewIfNeeded();
      await opened.says("#connections-count", "700 connections, 500 shown and 200 more");
      assertEquals(await page.locator("#connections tbody tr").count(), 500);
      await page.getByRole("button", { name: "Bytes" }).click();
      await page.getByRole("button", { name: "Bytes" }).click();
      const sorted = { search: "", order: "bytes", descending: true, limit: 500 };
      await until(() => JSON.stringify(asked()) === JSON.stringify(sorted), { what: "the order" });
      assertEquals(await page.locator("th[aria-sort=descending]").innerText(), "Bytes");
      await page.getByLabel("Search").fill("worker-4");
      await opened.says("#connections-count", "found");
      assertStringIncludes(await opened.text("#connections tbody"), "CN=worker-4");
      assertEquals(opened.faults, []);
    },
  );

  await t.step("without a mouse: a backend is opened by Enter and closed by Escape", async () => {
    await using opened = await Opened.open(browser, busyScene());
    const { page } = opened;
    await page.keyboard.press("Tab");
    assertEquals(await page.evaluate<string>("document.activeElement.textContent"), "Skip to traffic");
    await page.keyboard.press("Enter");
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await opened.says("dialog[open] h2", `${BACKEND} of db`);
    await page.keyboard.press("Escape");
    await page.locator("dialog[open]").waitFor({ state: "detached" });
    assertStringIncludes(await page.evaluate<string>("document.activeElement.textContent"), BACKEND);
  });
}

/** From a click to the state of the program, and back to the page. */
async function drainsBackend(browser: Browser): Promise<void> {
  using backend = startBackend(greet("a"));
  await using culvert = await startCulvert(proxyConfig({ backends: [backend.address], head: ADMIN_HEAD }));
  using client = await connect(culvert.port("main"));
  assertEquals(await readLine(client), "a");
  const page = await browser.newPage();
  const says = (selector: string, text: string) =>
    page.locator(selector).filter({ hasText: text }).first().waitFor();
  await page.goto(`http://${culvert.found({ message: "admin API" }).at(-1)!.listener}/`);
  await says(".backend", "1 open");
  await page.locator("body.writes .backend").click();
  await page.getByRole("button", { name: "Drain…" }).click();
  await page.getByRole("button", { name: "Drain", exact: true }).click();
  await says("dialog .answer", `${backend.address} is drained`);
  await page.keyboard.press("Escape");
  await says(".backend-state", "drained");
  await says("#state", "Not ready");
  using admin = new AdminClient(culvert);
  assertEquals((await admin.backend(backend.address)).state, "drained");
  await page.locator("#connections").scrollIntoViewIfNeeded();
  await says("#connections tbody", backend.address);
  await page.close();
}

async function acts(t: Deno.TestContext, browser: Browser): Promise<void> {
  const target = busyScene();
  await using opened = await Opened.open(browser, target);
  const { page } = opened;
  const orders = () => target.calls.filter(([what]) => what !== "live" && what !== "connections");
  const answer = async (text: string) => {
    await opened.says("dialog .answer", text);
    await opened.press("Close");
    return orders().at(-1);
  };
  const openBackend = (address: string) =>
    page.locator(".backend").filter({ hasText: address }).first().click();

  await t.step("an order that is not confirmed is not sent", async () => {
    await openBackend(BACKEND);
    await opened.press("Drain…");
    await opened.says("dialog", "gets no new connections");
    await opened.press("Cancel");
    assertEquals(orders(), []);
  });

  await t.step("drain and enable", async () => {
    await openBackend(BACKEND);
    await opened.press("Drain…");
    await opened.press("Drain");
    assertEquals(await answer(`Done ${BACKEND} is drained`), ["drain", "db", BACKEND]);
    await openBackend("app-4.internal:8080");
    await opened.press("Enable…");
    await opened.press("Enable");
    assertEquals(await answer("Done app-4.internal:8080 is up"), ["enable", "app", "app-4.internal:8080"]);
  });

  await t.step("a weight, which must be one", async () => {
    await openBackend(BACKEND);
    await page.getByLabel("Weight").fill("-1");
    await opened.press("Set weight…");
    await opened.says("dialog .answer", "Not done The weight must be a whole number");
    await opened.press("Close");
    await openBackend(BACKEND);
    await page.getByLabel("Weight").fill("7");
    await opened.press("Set weight…");
    await opened.press("Set weight");
    assertEquals(await answer("with weight 7"), ["weight", "db", BACKEND]);
  });

  await t.step("the connections of a backend, and one connection", async () => {
    await openBackend(BACKEND);
    await opened.press("Close connections…");
    await opened.press("Close connections");
    assertEquals(await answer("Done 3 connections closed."), ["close", "db", BACKEND]);
    await page.locator("#connections").scrollIntoViewIfNeeded();
    await page.getByRole("button", { name: "Close 192.0.2.11:50001" }).click();
    await opened.press("Close connection");
    assertEquals(await answer("Done 1 connection closed."), ["close", "connection", "2"]);
  });

  await t.step("a reload, also one that is refused", async () => {
    const reload = async () => {
      await page.getByRole("button", { name: "Reload configuration" }).click();
      await opened.press("Reload");
    };
    await reload();
    assertEquals(await answer("as generation 2"), ["reload"]);
    const error = new AdminError("draining", HOSTILE);
    target.reloaded = () => Promise.resolve({ ok: false, error });
    await reload();
    await answer(`Not done 422 draining: ${HOSTILE}`);
  });

  await t.step("the level of the log, which stays as it is when that is not confirmed", async () => {
    const level = page.locator("#log-level");
    await level.selectOption("error");
    await opened.press("Cancel");
    assertEquals(await level.inputValue(), "info");
    await level.selectOption("debug");
    await opened.press("Log at level debug");
    assertEquals(await answer("Done The log level is debug."), ["log level", "program", "debug"]);
  });

  await t.step("a client that may only read is offered no orders", async () => {
    await page.route("**/api/access", (route) => route.fulfill({ json: { access: "read" } }));
    await page.reload();
    await page.locator(".backend").first().click();
    await opened.says("dialog dl", "up for");
    assertEquals(await page.locator("dialog .action").count(), 0);
    assertEquals(await page.getByRole("button", { name: "Reload configuration" }).count(), 0);
  });
  assertEquals(opened.faults, []);
}
