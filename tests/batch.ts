/**
 * Loads the test files that `TEST_FILES` lists, one a line, into one runtime, where they share the modules that they
 * import: `deno test` on each file of its own would load and compile all of these for each.
 *
 * Usage: `TEST_FILES=tests/a_test.ts deno test -A --no-check tests/batch.ts`, as `tests/run.ts` does it.
 */
const ROOT = new URL("../", import.meta.url);

for (const file of Deno.env.get("TEST_FILES")?.split("\n") ?? []) await import(new URL(file, ROOT).href);
