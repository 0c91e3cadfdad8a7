import { assertEquals, assertStringIncludes } from "@std/assert";
import { COMMANDS } from "../../src/cli/commands.ts";
import { completions } from "../../src/cli/completions.ts";
import { output } from "../support/child.ts";
import { TemporaryFolder } from "../support/folder.ts";
import { testWith } from "../support/installed.ts";

const NAMES = COMMANDS.map(({ name }) => name);

async function script(folder: TemporaryFolder, shell: "bash" | "zsh" | "fish"): Promise<string> {
  const path = folder.file(`_culvert.${shell}`);
  await Deno.writeTextFile(path, completions(shell));
  return path;
}

function lines(text: string): string[] {
  return text.split("\n").filter((line) => line !== "");
}

testWith(["bash"], "bash completes commands, options and words", async () => {
  await using folder = new TemporaryFolder();
  const path = await script(folder, "bash");
  const complete = async (...words: string[]) =>
    lines(
      await output("bash", [
        ...["--norc", "-c"],
        `source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); compopt() { :; }; _culvert; printf '%s\\n' "\${COMPREPLY[@]}"`,
        ...["bash", path, "culvert", ...words],
      ]),
    );
  assertEquals((await complete("")).slice(0, NAMES.length), NAMES);
  assertEquals(await complete("ex"), ["explain"]);
  assertEquals(await complete("explain", "--se"), ["--service"]);
  assertEquals(await complete("init", "mtls-s"), ["mtls-server"]);
  assertEquals(await complete("check", "--config", folder.file("_c")), [path]);
  assertEquals(await complete("status", "--admin", "x"), []);
});

testWith(["fish"], "fish completes commands, options and words", async () => {
  await using folder = new TemporaryFolder();
  const path = await script(folder, "fish");
  const complete = async (line: string) =>
    lines(await output("fish", ["--no-config", "-c", `source ${path}; complete -C '${line}'`])).map((each) =>
      each.split("\t")[0]!
    );
  assertEquals((await complete("culvert ")).toSorted(), NAMES.toSorted());
  assertEquals(await complete("culvert explain --se"), ["--service"]);
  assertEquals(await complete("culvert init mtls-s"), ["mtls-server"]);
});

testWith(["zsh"], "zsh loads the completions", async () => {
  await using folder = new TemporaryFolder();
  const path = await script(folder, "zsh");
  const text = await output("zsh", [
    "-f",
    "-c",
    `autoload -U compinit; compinit -D; source ${path}; print $_comps[culvert]`,
  ]);
  assertEquals(text.trim(), "_culvert");
  for (const name of NAMES) assertStringIncludes(completions("zsh"), `      ${name}) _arguments`);
});
