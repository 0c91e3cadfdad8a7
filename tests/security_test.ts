import { assert, assertGreater } from "@std/assert";

const ROOT = new URL("../", import.meta.url);

/** A test that SECURITY.md names: its file or folder, and what it quotes of its name, `…` for what it leaves out. */
const NAMED = /`(tests\/[\w/.]+)`(?: \("([^"]+)"\))?/g;

Deno.test("each test that a promise of SECURITY.md names is there", async () => {
  const text = (await Deno.readTextFile(new URL("SECURITY.md", ROOT))).replace(/\s+/g, " ");
  const named = [...text.matchAll(NAMED)];
  assertGreater(named.length, 40);
  for (const [, path, name] of named) {
    const file = new URL(path!, ROOT);
    assert((await Deno.stat(file)).isFile || name === undefined, `${path} is no file`);
    if (name === undefined) continue;
    const source = await Deno.readTextFile(file);
    const quoted = name.split("…").map((part) => RegExp.escape(part.trim())).join(".*");
    assert(new RegExp(quoted).test(source), `${path} has no test "${name}"`);
  }
});
