const PATH = [...(Deno.env.get("PATH") ?? "").split(":"), "/usr/sbin", "/sbin"];

/** The full path of an installed program, by its name or its path; `undefined` if there is none. */
export function findProgram(name: string): string | undefined {
  if (name.startsWith("/")) return isFile(name) ? name : undefined;
  return PATH.map((folder) => `${folder}/${name}`).find(isFile);
}

/** A test that needs these programs. Where one is not installed it is skipped, and its name says why. */
export function testWith(
  programs: readonly string[],
  name: string,
  fn: (t: Deno.TestContext) => Promise<void>,
): void {
  const missing = programs.filter((program) => findProgram(program) === undefined);
  const why = missing.length === 0 ? "" : ` (skipped: ${missing.join(", ")} not installed)`;
  Deno.test({ name: name + why, ignore: missing.length > 0, fn });
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}
