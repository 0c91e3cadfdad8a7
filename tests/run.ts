/**
 * Runs all tests, several processes of `deno test` at a time, and ends with the tests that failed and with the counts
 * of all processes in one closing line.
 *
 * `deno test --parallel` would run them as threads of one process, and many tests look at what a whole process has
 * open or has used. Here each process runs one file after the other. Types are not checked: `deno check` does that.
 *
 * Usage: `deno task test [--unit] [FOLDER or FILE …]`, by default all of `tests/` and the examples in the comments of
 * `src/`. `--unit` leaves out the scenarios, which run the whole program.
 */
import { relative } from "node:path";
import { stripVTControlCharacters } from "node:util";

const ROOT = new URL("../", import.meta.url).pathname;
/** What `deno test` ends with. */
const CLOSING_LINE = /^(?:ok|FAILED) \| \d+ passed.*$/gm;
const FILE_LINE = /^running \d+ tests? from (\S+)$/gm;
/** The lines at the end of `deno test` that list what failed: the test, and its place. */
const FAILED_LINE = /^.+ => \S+:\d+:\d+$/gm;
/** Scenarios take much longer than other tests. Small batches of them keep all processes busy to the end. */
const SCENARIOS_IN_BATCH = 3;
const FILES_IN_BATCH = 8;
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

async function runBatch(args: readonly string[]): Promise<Outcome> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["test", "-A", ...args],
    cwd: ROOT,
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
  return outcomeOf(stripVTControlCharacters(new TextDecoder().decode(stdout)), { code, expired, args });
}

function outcomeOf(
  text: string,
  { code, expired, args }: { code: number; expired: boolean; args: readonly string[] },
): Outcome {
  const closing = text.match(CLOSING_LINE)?.at(-1) ?? "";
  const count = (word: string) => Number(new RegExp(`(\\d+) ${word}`).exec(closing)?.[1] ?? 0);
  const failures = [...new Set(text.match(FAILED_LINE))];
  if (closing === "") {
    const file = [...text.matchAll(FILE_LINE)].at(-1)?.[1] ?? args.join(" ");
    const last = text.trimEnd().split("\n").at(-1);
    const how = expired
      ? `did not end within ${BATCH_MINUTES} minutes`
      : `ended early with exit code ${code}`;
    failures.push(`${file} ${how}; its last line is: ${last}`);
  }
  return {
    code: closing === "" ? code || 1 : code,
    ...{ passed: count("passed"), steps: count("step"), failed: count("failed"), ignored: count("ignored") },
    failures,
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

/** The arguments of each process, those that take longest first. */
async function plan(args: readonly string[]): Promise<string[][]> {
  const unit = args.includes("--unit");
  const places = args.filter((arg) => arg !== "--unit");
  const files: string[] = [];
  for (const place of places.length > 0 ? places : [`${ROOT}tests`]) {
    files.push(...place.endsWith(".ts") ? [place] : await testFiles(place.replace(/\/$/, "")));
  }
  const paths = files.map((file) => relative(ROOT, Deno.realPathSync(file)));
  const isScenario = (path: string) => path.startsWith("tests/scenarios/");
  const scenarios = unit ? [] : batchesOf(paths.filter(isScenario), SCENARIOS_IN_BATCH);
  const others = batchesOf(paths.filter((path) => !isScenario(path)), FILES_IN_BATCH);
  const examples = places.length > 0 ? [] : [["--doc", "src"]];
  return [...examples, ...[...scenarios, ...others].map((batch) => ["--no-check", ...batch])];
}

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  Deno.addSignalListener(signal, () => {
    running.forEach(killGroup);
    Deno.exit(130);
  });
}

const started = performance.now();
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
