import { assert } from "@std/assert";

/** Words that this project does not use, and what to write instead. */
const BANNED: readonly { readonly pattern: RegExp; readonly instead: string }[] = [
  {
    pattern: /\b(?:no|some|any|every)body(?:'s)?\b/i,
    instead: "name the subject: no client, another program, every user",
  },
  { pattern: /\bwhom(?:ever)?\b|\bwhoever\b/i, instead: "name the subject: the client that …, the caller" },
  { pattern: /\bWho (?=[a-z])/, instead: "name the subject: a client that …" },
  {
    pattern:
      /(?:,(?: and| or| but)?|\b(?:those|ones?|and|or|but|of|by|for|to|than|where|when|if)) who(?= [a-z])/i,
    instead: "name the subject: a client that …, clients that …",
  },
  { pattern: /\banew\b/i, instead: "again; or the verb: reread, recreated, replaced" },
  { pattern: /\bstrangers?\b/i, instead: "an untrusted client, an unknown CA" },
  { pattern: /\bof (?:ours|theirs)\b/i, instead: "own, or of Culvert" },
  { pattern: /\bfrom before\b(?! (?:an?|the)\b)/i, instead: "previous, current, earlier" },
  {
    pattern: /\b(?:lets?|letting) (?:\w+ )?in\b(?! (?:a|an|the)\b)|\blet in\b/i,
    instead: "accepts, admits, allows",
  },
  {
    pattern: /\bc[ao]mes? in(?=[.;:"`)]| (?:by|with|without|from|past|again|through)\b)/i,
    instead: "connects, is accepted",
  },
  { pattern: /\bfor want of\b/i, instead: "for lack of" },
  { pattern: /\bwithout a word\b/i, instead: "silently, without sending anything, without a message" },
  { pattern: /\blook(?:s|ed)? after\b/i, instead: "needs attention, is checked" },
  { pattern: /\b(?:one|set|state) of before\b/i, instead: "the previous one" },
  { pattern: /\b(?:is|are|was|were) led\b/i, instead: "is forwarded, is routed" },
];

/** The name of the unprivileged user of Unix systems, which is a word of its own. */
const UNIX_USER = /"nobody"|'nobody'|uid=nobody/g;

const ROOT = new URL("../", import.meta.url);
const FOLDERS = ["src/", "docs/", "tests/", "bench/", "examples/", "certs/"];
const TEXT = /\.(?:ts|md|yaml|py|lua)$/;

async function* texts(folder: URL, deep: boolean): AsyncGenerator<URL> {
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    if (isDirectory && deep) yield* texts(new URL(`${name}/`, folder), deep);
    else if (TEXT.test(name) && name !== "words_test.ts") yield new URL(name, folder);
  }
}

async function* allTexts(): AsyncGenerator<URL> {
  yield* texts(ROOT, false);
  for (const folder of FOLDERS) yield* texts(new URL(folder, ROOT), true);
}

Deno.test("code, comments and documentation use none of the words that this project avoids", async () => {
  const found: string[] = [];
  for await (const file of allTexts()) {
    const path = file.pathname.slice(ROOT.pathname.length);
    const lines = (await Deno.readTextFile(file)).replace(UNIX_USER, "").split("\n");
    for (const [index, line] of lines.entries()) {
      for (const { pattern, instead } of BANNED) {
        const word = line.match(pattern)?.[0];
        if (word !== undefined) found.push(`${path}:${index + 1}: "${word.trim()}"; write ${instead}`);
      }
    }
  }
  assert(found.length === 0, `${found.length} lines:\n${found.join("\n")}`);
});
