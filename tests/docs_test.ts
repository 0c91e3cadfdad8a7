import { assert, assertEquals } from "@std/assert";

const ROOT = new URL("../", import.meta.url);

/** The pages that users and contributors read. */
function pages(): URL[] {
  const found: URL[] = [];
  for (const folder of ["./", "docs/", "bench/", "certs/"]) {
    for (const { name } of Deno.readDirSync(new URL(folder, ROOT))) {
      if (name.endsWith(".md")) found.push(new URL(folder + name, ROOT));
    }
  }
  return found;
}

/** The anchors of a page's headings, as public hosts of repositories make them. */
function anchorsOf(text: string): Set<string> {
  const headings = text.replaceAll(/^```[^]*?^```$/gm, "").matchAll(/^#+ (.*)$/gm);
  return new Set(
    [...headings].map(([, heading]) =>
      heading!.toLowerCase().replaceAll(/[^\p{L}\p{N} _-]/gu, "").replaceAll(" ", "-")
    ),
  );
}

function exists(file: URL): boolean {
  try {
    Deno.statSync(file);
    return true;
  } catch {
    return false;
  }
}

Deno.test("every link of the documentation leads to a file, and to a heading of it", () => {
  const broken: string[] = [];
  let links = 0;
  for (const page of pages()) {
    const text = Deno.readTextFileSync(page);
    for (const [, target] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(target!)) continue;
      links++;
      const { pathname, hash } = new URL(target!, page);
      const file = new URL(`file://${pathname}`);
      const isGood = exists(file) &&
        (hash === "" || anchorsOf(Deno.readTextFileSync(file)).has(decodeURIComponent(hash.slice(1))));
      if (!isGood) broken.push(`${page.pathname.slice(ROOT.pathname.length)}: ${target}`);
    }
  }
  assert(links > 20);
  assertEquals(broken, []);
});
