/**
 * Runs all tests, several processes of `deno test` at a time, and ends with their counts together in one closing line.
 *
 * `deno test --parallel` would run them as threads of one process, and many tests look at what a whole process has
 * open or has used. Here each process runs one file after the other.
 *
 * Usage: `deno task test [--unit] [FOLDER or FILE …]`, by default all of `tests/` and the examples in the comments of
 * `src/`. `--unit` leaves out the scenarios, which run the whole program.
 */
import { relative } from "node:path";
import { stripVTControlCharacters } from "node:util";

const ROOT = new URL("../", import.meta.url).pathname;
/** What `deno test` ends with. */
const CLOSING_LINE = /^(?:ok|FAILED) \| \d+ passed.*$/gm;
const FILES_IN_BATCH = 8;
/** Many tests wait most of the time: one process more than there are processors keeps these busy. */
const PROCESSES = navigator.hardwareConcurrency + 1;

interface Outcome {
  readonly code: number;
  readonly passed: number;
  readonly steps: number;
  readonly failed: number;
  readonly ignored: number;
}

/** The test files below a folder, those of scenarios first, as these take longest. */
async function testFiles(folder: string): Promise<string[]> {
  const files: string[] = [];
  for await (const entry of Deno.readDir(folder)) {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory) files.push(...await testFiles(path));
    else if (entry.name.endsWith("_test.ts")) files.push(path);
  }
  return files.sort((a, b) => Number(b.includes("/scenarios/")) - Number(a.includes("/scenarios/")));
}

/** Batches of files; neighbours, which are alike, go to different batches. */
function batchesOf(files: readonly string[]): string[][] {
  const count = Math.max(1, Math.ceil(files.length / FILES_IN_BATCH));
  return Array.from({ length: count }, (_, first) => files.filter((_, index) => index % count === first));
}

async function runBatch(args: readonly string[]): Promise<Outcome> {
  const command = new Deno.Command(Deno.execPath(), {
    args: ["test", "-A", ...args],
    cwd: ROOT,
    stdin: "null",
    stderr: "piped",
  });
  const { code, stdout, stderr } = await command.output();
  await Deno.stdout.write(stdout);
  await Deno.stderr.write(stderr);
  const closing = stripVTControlCharacters(new TextDecoder().decode(stdout)).match(CLOSING_LINE)?.at(-1) ??
    "";
  const count = (word: string) => Number(new RegExp(`(\\d+) ${word}`).exec(closing)?.[1] ?? 0);
  if (closing === "") {
    console.error(`These tests did not come to an end (exit code ${code}): ${args.join(" ")}`);
  }
  return {
    code: closing === "" ? code || 1 : code,
    ...{ passed: count("passed"), steps: count("step"), failed: count("failed"), ignored: count("ignored") },
  };
}

async function runAll(batches: readonly (readonly string[])[]): Promise<Outcome[]> {
  const waiting = [...batches];
  const outcomes: Outcome[] = [];
  const work = async () => {
    for (let batch = waiting.shift(); batch !== undefined; batch = waiting.shift()) {
      outcomes.push(await runBatch(batch));
    }
  };
  await Promise.all(Array.from({ length: PROCESSES }, work));
  return outcomes;
}

/** The arguments of each process. */
async function plan(args: readonly string[]): Promise<string[][]> {
  const unit = args.includes("--unit");
  const places = args.filter((arg) => arg !== "--unit");
  const files: string[] = [];
  for (const place of places.length > 0 ? places : [`${ROOT}tests`]) {
    files.push(...place.endsWith(".ts") ? [place] : await testFiles(place.replace(/\/$/, "")));
  }
  const wanted = files.filter((file) => !unit || !file.includes("/scenarios/"));
  const paths = wanted.map((file) => relative(ROOT, Deno.realPathSync(file)));
  const batches = batchesOf(paths).map((batch) => ["--no-check", ...batch]);
  return places.length > 0 ? batches : [["--doc", "src"], ...batches];
}

const started = performance.now();
const outcomes = await runAll(await plan(Deno.args));
const sum = (of: (outcome: Outcome) => number) => outcomes.reduce((total, outcome) => total + of(outcome), 0);
const ok = outcomes.every(({ code }) => code === 0);
const seconds = Math.round((performance.now() - started) / 1000);
console.log(
  `\n${ok ? "ok" : "FAILED"} | ${sum(({ passed }) => passed)} passed (${
    sum(({ steps }) => steps)
  } steps) | ` +
    `${sum(({ failed }) => failed)} failed | ${sum(({ ignored }) => ignored)} ignored (${seconds}s)`,
);
Deno.exit(ok ? 0 : 1);
