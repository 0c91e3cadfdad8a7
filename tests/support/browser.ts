import { type BrowserContext, chromium, type Page } from "playwright-core";
import { TemporaryFolder } from "./folder.ts";
import { findProgram } from "./installed.ts";

/** What Chromium needs in a container, and what keeps it from talking to anyone but the test. */
const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** Every wait of a page ends after this time. */
const WAIT_MS = 30_000;

/**
 * Chromium without a window, with a profile of its own. A start takes about a second of processor time, so start it once
 * for all pages of a test file. Needs `testWith(["chromium"], …)`. Disposing of it ends it and removes its profile.
 */
export class Browser implements AsyncDisposable {
  readonly #folder: TemporaryFolder;
  readonly #context: BrowserContext;

  private constructor(folder: TemporaryFolder, context: BrowserContext) {
    this.#folder = folder;
    this.#context = context;
  }

  /** Starts the browser. It accepts any certificate of a server. */
  static async start(): Promise<Browser> {
    const folder = new TemporaryFolder();
    try {
      const context = await chromium.launchPersistentContext(folder.path, {
        executablePath: findProgram("chromium")!,
        args: FLAGS,
        headless: true,
        ignoreHTTPSErrors: true,
        timeout: WAIT_MS,
      });
      context.setDefaultTimeout(WAIT_MS);
      return new Browser(folder, context);
    } catch (error) {
      await folder[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Opens an empty page. The caller may close it; it ends with the browser. */
  async newPage(): Promise<Page> {
    return await this.#context.newPage();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#context.close();
    await this.#folder[Symbol.asyncDispose]();
  }
}
