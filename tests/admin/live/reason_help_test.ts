import { assert, assertEquals } from "@std/assert";
import { REASON_HELP } from "../../../src/admin/live/reason_help.ts";
import { HTTP_REASONS } from "../../../src/http_proxy/http_reason.ts";
import { isFailure } from "../../../src/service/failures.ts";

const DOCS = Deno.readTextFileSync(new URL("../../../docs/operations.md", import.meta.url));

/** The rows of the tables below a heading, as the texts of their cells. */
function rows(heading: string): string[][] {
  const section = DOCS.split(`\n## ${heading}\n`)[1]!.split("\n## ")[0]!;
  const cells = (line: string) => line.split("|").slice(1, -1).map((cell) => cell.trim());
  return section.split("\n").filter((line) => line.startsWith("| `")).map(cells);
}

Deno.test("docs/operations.md says what to do about each reason, in the words of the live page", () => {
  const documented = Object.fromEntries(
    rows("What to do").map(([reason = "", help = ""]) => [reason.replaceAll("`", ""), help]),
  );
  assertEquals(documented, { ...REASON_HELP });
});

Deno.test("each reason for which connections and requests fail has a text", () => {
  const ofTables = [...DOCS.matchAll(/^\| (`[^|]*`) +\|/gm)].flatMap(([, cell]) =>
    [...cell!.matchAll(/`([a-z][a-z-]+)`/g)].map(([, reason]) => reason!)
  );
  const reasons = [...ofTables, ...Object.keys(HTTP_REASONS)].filter((reason) => isFailure(reason));
  assert(reasons.length > 50);
  assertEquals([...new Set(reasons)].filter((reason) => !Object.hasOwn(REASON_HELP, reason)), []);
});
