/**
 * Runs all tests, several processes of `deno test` at a time, and ends with the tests that failed and with the counts
 * of all processes in one closing line.
 *
 * `deno test --parallel` would run them as threads of one process, and many tests look at what a whole process has
 * open or has used. Here each process runs one file after the other, in one runtime (`batch.ts`). Types are not
 * checked: `deno check` does that.
 *
 * Usage: `deno task test [--unit] [FOLDER or FILE …]`, by default all of `tests/` and the examples in the comments of
 * `src/`. `--unit` leaves out the scenarios, which run the whole program, all tests that need other programs, and the
 * examples.
 */
import { dirname, relative } from "node:path";
import { stripVTControlCharacters } from "node:util";

const ROOT = new URL("../", import.meta.url).pathname;
const UNIT_ONLY = Deno.args.includes("--unit");
/** The program as one file, for the tests that start it. Git does not see it. */
const BUNDLE = `${ROOT}dist/tested.js`;
/** What `deno test` ends with. */
const CLOSING_LINE = /^(?:ok|FAILED) \| \d+ passed.*$/gm;
/** The lines at the end of `deno test` that list what failed: the test, and its place. */
const FAILED_LINE = /^.+ => \S+:\d+:\d+$/gm;
/** Scenarios take much longer than other tests. Small batches of them keep all processes busy to the end. */
const SCENARIOS_IN_BATCH = 5;
const FILES_IN_BATCH = 30;
/** Many tests wait most of the time: one process more than there are processors keeps these busy. */
const PROCESSES = navigator.hardwareConcurrency + 1;
/** No batch takes a fifth of this, unless one of its tests waits for what never comes. */
const BATCH_MINUTES = 10;

interface Outcome {
  readonly code: number;
  readonly passed: number;
  readonly steps: number;
  readonly failed: number;
  readonly ignored: number;
  /** The tests that failed, with their places. */
  readonly failures: readonly string[];
}

const running = new Set<Deno.ChildProcess>();

/** The test files below a folder. */
async function testFiles(folder: string): Promise<string[]> {
  const files: string[] = [];
  for await (const entry of Deno.readDir(folder)) {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory) files.push(...await testFiles(path));
    else if (entry.name.endsWith("_test.ts")) files.push(path);
  }
  return files.sort();
}

/** What one process runs. */
interface Batch {
  readonly args: readonly string[];
  /** The test files, one a line, for `batch.ts`. */
  readonly files?: string;
}

/** Batches of at most `size` files; neighbours, which are alike, go to different batches. */
function batchesOf(files: readonly string[], size: number): string[][] {
  const count = Math.ceil(files.length / size);
  return Array.from({ length: count }, (_, first) => files.filter((_, index) => index % count === first));
}

/** Ends a process and all that it has started. */
function killGroup({ pid }: Deno.ChildProcess): void {
  try {
    Deno.kill(-pid, "SIGKILL");
  } catch {
    // It has ended.
  }
}

async function runBatch({ args, files = "" }: Batch): Promise<Outcome> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["test", "-A", ...args],
    cwd: ROOT,
    env: { TEST_FILES: files, CULVERT_BUNDLE: BUNDLE, UNIT_TESTS_ONLY: UNIT_ONLY ? "1" : "0" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    detached: true,
  }).spawn();
  running.add(child);
  let expired = false;
  const timer = setTimeout(() => {
    expired = true;
    killGroup(child);
  }, BATCH_MINUTES * 60_000);
  const { code, stdout, stderr } = await child.output();
  clearTimeout(timer);
  running.delete(child);
  await Deno.stdout.write(stdout);
  await Deno.stderr.write(stderr);
  return outcomeOf(stripVTControlCharacters(new TextDecoder().decode(stdout)), { code, expired });
}

function outcomeOf(text: string, { code, expired }: { code: number; expired: boolean }): Outcome {
  const closing = text.match(CLOSING_LINE)?.at(-1) ?? "";
  const count = (word: string) => Number(new RegExp(`(\\d+) ${word}`).exec(closing)?.[1] ?? 0);
  const failures = [...new Set(text.match(FAILED_LINE))];
  if (closing === "") {
    const last = text.trimEnd().split("\n").at(-1);
    const how = expired
      ? `did not end within ${BATCH_MINUTES} minutes`
      : `ended early with exit code ${code}`;
    failures.push(`a process ${how}; its last line is: ${last}`);
  }
  return {
    code: closing === "" ? code || 1 : code,
    ...{ passed: count("passed"), steps: count("step"), failed: count("failed"), ignored: count("ignored") },
    failures,
  };
}

/** Bundles the program. Another run may be using the last bundle, so that it is replaced in one step. */
async function bundle(): Promise<void> {
  await Deno.mkdir(dirname(BUNDLE), { recursive: true });
  const next = `${BUNDLE}.${Deno.pid}`;
  const args = ["bundle", "--quiet", "--output", next, "main.ts"];
  const { success } = await new Deno.Command(Deno.execPath(), { args, cwd: ROOT }).spawn().status;
  if (!success) Deno.exit(1);
  await Deno.rename(next, BUNDLE);
}

async function runAll(batches: readonly Batch[]): Promise<Outcome[]> {
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

/** What the processes run, the batches that take longest first. */
async function plan(args: readonly string[]): Promise<Batch[]> {
  const places = args.filter((arg) => arg !== "--unit");
  const files: string[] = [];
  for (const place of places.length > 0 ? places : [`${ROOT}tests`]) {
    files.push(...place.endsWith(".ts") ? [place] : await testFiles(place.replace(/\/$/, "")));
  }
  const paths = files.map((file) => relative(ROOT, Deno.realPathSync(file)));
  const isScenario = (path: string) => path.startsWith("tests/scenarios/");
  const scenarios = UNIT_ONLY ? [] : batchesOf(paths.filter(isScenario), SCENARIOS_IN_BATCH);
  const others = batchesOf(paths.filter((path) => !isScenario(path)), FILES_IN_BATCH);
  const examples = places.length > 0 || UNIT_ONLY ? [] : [{ args: ["--doc", "src"] }];
  const loading = ["--no-check", "tests/batch.ts"];
  return [
    ...examples,
    ...[...scenarios, ...others].map((batch) => ({ args: loading, files: batch.join("\n") })),
  ];
}

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  Deno.addSignalListener(signal, () => {
    running.forEach(killGroup);
    Deno.exit(130);
  });
}

const started = performance.now();
await bundle();
const outcomes = await runAll(await plan(Deno.args));
const sum = (of: (outcome: Outcome) => number) => outcomes.reduce((total, outcome) => total + of(outcome), 0);
const ok = outcomes.every(({ code }) => code === 0);
const seconds = Math.round((performance.now() - started) / 1000);
const failures = outcomes.flatMap((outcome) => outcome.failures);
if (failures.length > 0) console.log(`\nFailed:\n${failures.map((failure) => `  ${failure}\n`).join("")}`);
console.log(
  `\n${ok ? "ok" : "FAILED"} | ${sum(({ passed }) => passed)} passed (${
    sum(({ steps }) => steps)
  } steps) | ` +
    `${sum(({ failed }) => failed)} failed | ${sum(({ ignored }) => ignored)} ignored (${seconds}s)`,
);
Deno.exit(ok ? 0 : 1);
