/**
 * Makes the files of the live page that are not written by hand, in `src/admin/page/generated/`: its script, bundled from
 * `src/admin/page/client/` with uPlot, and the style of the charts. They are checked in, so that the program needs no
 * build and no permission to read files.
 *
 * Usage: `deno task page`, after a change of the client or of what it imports.
 */
import chartStyle from "uplot/dist/uPlot.min.css" with { type: "text" };

const ROOT = new URL("../", import.meta.url);
const CLIENT = new URL("src/admin/page/client/", ROOT);
/** What the client imports from the server, besides types. */
const SHARED = ["src/admin/live/history.ts", "src/admin/live/reason_help.ts"];
const GENERATED = new URL("src/admin/page/generated/", ROOT);
const SCRIPT = new URL("page.js", GENERATED);
const STYLE = new URL("chart.css", GENERATED);

/** The digest of everything that the script is made of. */
export async function digestOfSources(): Promise<string> {
  const names = [...Deno.readDirSync(CLIENT)].map(({ name }) => name).sort();
  const files = [...SHARED.map((path) => new URL(path, ROOT)), ...names.map((name) => new URL(name, CLIENT))];
  const texts = await Promise.all(files.map((file) => Deno.readTextFile(file)));
  const { imports } = JSON.parse(await Deno.readTextFile(new URL("deno.json", ROOT)));
  return await digestOf(JSON.stringify([imports.uplot, ...texts]));
}

/** The script that is checked in: the digests that it was made with, and its text. */
export async function readScript(): Promise<{ sources: string; content: string; text: string }> {
  const whole = await Deno.readTextFile(SCRIPT);
  const [, sources = "", content = "", text = ""] =
    /^\/\/ sources ([0-9a-f]{64})\n\/\/ content ([0-9a-f]{64})\n([^]*)$/m.exec(whole) ?? [];
  return { sources, content, text };
}

/** SHA-256 in hexadecimal. */
export async function digestOf(text: string): Promise<string> {
  const bytes = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
  return bytes.toHex();
}

async function build(): Promise<void> {
  const file = await Deno.makeTempFile({ suffix: ".js" });
  try {
    const main = new URL("main.ts", CLIENT).pathname;
    const { success, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["bundle", "--quiet", "--platform", "browser", "--minify", "--output", file, main],
      cwd: ROOT,
    }).output();
    if (!success) throw new Error(new TextDecoder().decode(stderr));
    const text = await Deno.readTextFile(file);
    const head = [
      "// Made by `deno task page`; change src/admin/page/client/ instead. Contains uPlot (MIT licence,",
      "// Copyright (c) Leon Sorokin, https://github.com/leeoniya/uPlot).",
      `// sources ${await digestOfSources()}`,
      `// content ${await digestOf(text)}`,
    ];
    await Deno.writeTextFile(SCRIPT, `${head.join("\n")}\n${text}`);
  } finally {
    await Deno.remove(file);
  }
  await Deno.writeTextFile(STYLE, `/* uPlot (MIT licence, Copyright (c) Leon Sorokin) */\n${chartStyle}\n`);
}

if (import.meta.main) await build();
