const PATH = [...(Deno.env.get("PATH") ?? "").split(":"), "/usr/sbin", "/sbin"];
const LISTED = listedPrograms();
/** Set by `deno task test:unit`. */
const UNIT_TESTS_ONLY = Deno.env.get("UNIT_TESTS_ONLY") === "1";

/**
 * The full path of an installed program, by its name or its path; `undefined` if there is none. The program must be
 * listed in `.ci/programs`: one that `.ci/run` does not install would be skipped there unnoticed.
 */
export function findProgram(name: string): string | undefined {
  if (!LISTED.has(baseName(name))) {
    throw new Error(`"${name}" is not in .ci/programs: add it, with its package`);
  }
  if (name.startsWith("/")) return isFile(name) ? name : undefined;
  return PATH.map((folder) => `${folder}/${name}`).find(isFile);
}

/**
 * A test that needs these programs. Where one is not installed it is skipped, and its name says why. Not one of the
 * tests that `deno task test:unit` runs.
 */
export function testWith(
  programs: readonly string[],
  name: string,
  fn: (t: Deno.TestContext) => Promise<void>,
): void {
  if (UNIT_TESTS_ONLY) return;
  const missing = programs.filter((program) => findProgram(program) === undefined);
  const why = missing.length === 0 ? "" : ` (skipped: ${missing.join(", ")} not installed)`;
  Deno.test({ name: name + why, ignore: missing.length > 0, fn });
}

/** The programs in `.ci/programs`. */
export function listedPrograms(): ReadonlySet<string> {
  const lines = Deno.readTextFileSync(new URL("../../.ci/programs", import.meta.url)).split("\n");
  return new Set(
    lines.filter((line) => line !== "" && !line.startsWith("#")).map((line) => baseName(line.split(" ")[0]!)),
  );
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}
