/**
 * Makes screenshots of the live page in `docs/images/`, of a program that is made up. Needs Chromium.
 *
 * Usage: `deno task screenshots [FOLDER]`, which makes them all in a folder; without one, only the image of the README.
 */
import { TestAdmin } from "../tests/admin/listener_fixture.ts";
import {
  busyScene,
  busyStatus,
  hostileScene,
  largeScene,
  type SceneTarget,
} from "../tests/admin/page/scene.ts";
import { Browser } from "../tests/support/browser.ts";

interface Shot {
  readonly name: string;
  readonly scene: () => SceneTarget;
  readonly theme: "light" | "dark";
  readonly width: number;
  readonly height: number;
}

const README: Shot = { name: "live_page", scene: busyScene, theme: "light", width: 1280, height: 830 };
const ALL: readonly Shot[] = [
  README,
  ...(["light", "dark"] as const).flatMap((theme) =>
    [1440, 820, 360].map((width) => ({
      ...{ name: `busy_${theme}_${width}`, scene: busyScene, theme, width, height: 0 },
    }))
  ),
  { name: "hostile_names", scene: hostileScene, theme: "light", width: 1440, height: 0 },
  { name: "thousand_backends", scene: () => largeScene(1000), theme: "dark", width: 1440, height: 0 },
];

/** Makes one image. Without a height it shows the whole page. */
async function shoot(browser: Browser, { name, scene, theme, width, height }: Shot, folder: string) {
  const target = scene();
  await using admin = await TestAdmin.start({ target });
  const page = await browser.newPage();
  await page.setViewportSize({ width, height: height || 900 });
  await page.emulateMedia({ colorScheme: theme });
  await page.goto(admin.url("/"));
  await page.waitForSelector("body.writes .state:not(.idle)");
  target.document = busyStatus(3);
  await page.locator(".service .figure").filter({ hasNotText: /^0 / }).first().waitFor();
  if (height === 0) await page.locator("#connections").scrollIntoViewIfNeeded();
  await page.locator("#connections tbody tr").first().waitFor({ state: "attached", timeout: 10_000 });
  await page.screenshot({ path: `${folder}/${name}.png`, fullPage: height === 0 });
  await page.close();
}

const [folder] = Deno.args;
await using browser = await Browser.start();
const images = new URL("../docs/images", import.meta.url).pathname;
await Deno.mkdir(folder ?? images, { recursive: true });
for (const shot of folder === undefined ? [README] : ALL) await shoot(browser, shot, folder ?? images);
