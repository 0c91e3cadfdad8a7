import { ConfigReading } from "../config/reading.ts";
import { formatProblem } from "../config/problem/problem.ts";
import { CulvertError, describeError } from "../core/errors.ts";
import { commandSpec } from "./commands.ts";
import { ExitCode } from "./exit_code.ts";
import { importGhostunnel } from "./import/ghostunnel.ts";
import { type Imported, importedText } from "./import/imported.ts";
import { importStunnel } from "./import/stunnel.ts";
import { requirePermissions } from "./permissions.ts";
import { usage } from "./usage.ts";

/** What `culvert import` prints, and whether everything was carried over. */
export interface ImportResult {
  readonly text: string;
  readonly isComplete: boolean;
}

/**
 * `culvert import …`. Has the arguments of the other program behind its name, so they are not parsed as options.
 *
 * @throws {CulvertError} `bad_usage`, `file_unreadable`, `permission_missing`.
 */
export async function runImport(args: readonly string[]): Promise<ExitCode> {
  const [program, ...rest] = args;
  if (program === "--help" || program === "-h") {
    console.log(usage(commandSpec("import")).trimEnd());
    return ExitCode.ok;
  }
  const result = program === "ghostunnel"
    ? finish(importGhostunnel(rest.map(quoted).join(" ")), "ghostunnel")
    : program === "stunnel"
    ? finish(importStunnel(await readFiles(rest)), rest.join(", "))
    : undefined;
  if (result === undefined) {
    throw new CulvertError("bad_usage", "import needs stunnel FILE… or ghostunnel FLAGS…; see --help");
  }
  console.log(result.text.trimEnd());
  return result.isComplete ? ExitCode.ok : ExitCode.failed;
}

/** Checks what was imported: what is missing in it is told, too. */
export function finish(imported: Imported, from: string): ImportResult {
  const reading = new ConfigReading(importedText(imported, { from }), { name: "result", folder: "/" });
  const problems = reading.problems().map(({ line: _, ...problem }) => formatProblem(problem, "the result"));
  const notes = [...imported.notes, ...problems];
  return { text: importedText({ ...imported, notes }, { from }), isComplete: notes.length === 0 };
}

async function readFiles(paths: readonly string[]): Promise<{ name: string; text: string }[]> {
  if (paths.length === 0) throw new CulvertError("bad_usage", "import stunnel needs a FILE; see --help");
  await requirePermissions({ net: [], read: paths, write: [] }, { ask: true });
  const read = async (path: string) => {
    try {
      return { name: path, text: await Deno.readTextFile(path) };
    } catch (cause) {
      throw new CulvertError("file_unreadable", `Cannot read ${path}: ${describeError(cause)}`, { cause });
    }
  };
  return await Promise.all(paths.map(read));
}

function quoted(word: string): string {
  return /^[^\s'"]+$/.test(word) ? word : `'${word.replaceAll("'", "")}'`;
}
