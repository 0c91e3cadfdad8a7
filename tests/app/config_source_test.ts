import { assert, assertEquals, assertRejects } from "@std/assert";
import { configSource } from "../../src/app/config_source.ts";
import { CulvertError } from "../../src/core/errors.ts";
import { TemporaryFolder } from "../support/folder.ts";

async function unreadable(path: string, why: string): Promise<void> {
  const error = await assertRejects(() => configSource(path).read(), CulvertError, why);
  assertEquals(error.code, "config_unreadable");
}

Deno.test("paths in a file are relative to the file's folder", () => {
  const folders = ["proxy.yaml", "./proxy.yaml", "etc/proxy.yaml", "/etc/culvert/proxy.yaml", "/proxy.yaml"];
  const here = Deno.cwd();
  assertEquals(
    folders.map((path) => configSource(path).folder),
    [here, here, `${here}/etc`, "/etc/culvert", "/"],
  );
});

Deno.test("a file is read whole, and again as it is then", async () => {
  await using folder = new TemporaryFolder();
  const path = folder.file("proxy.yaml");
  const source = configSource(path);
  assertEquals([source.name, source.path], [path, path]);
  const text = `# ${"größer als ein Stück ".repeat(20_000)}`;
  await Deno.writeTextFile(path, text);
  assert(await source.read() === text);
  await Deno.writeTextFile(path, "version: 1");
  assertEquals(await source.read(), "version: 1");
});

Deno.test("standard input can't be watched or read again", () => {
  const source = configSource("-");
  assertEquals([source.name, source.path, source.folder], ["standard input", undefined, Deno.cwd()]);
});

Deno.test("a file that is not there, or is no file, or is too large is unreadable, and says why", async () => {
  await using folder = new TemporaryFolder();
  await unreadable(folder.file("none.yaml"), "there is no such file");
  await unreadable(folder.path, `Cannot read configuration "${folder.path}": it is a directory`);
  await unreadable("/dev/zero", 'Cannot read configuration "/dev/zero": it is not a regular file');
  const large = folder.file("large.yaml");
  await Deno.writeTextFile(large, "");
  await Deno.truncate(large, 16 * 1024 * 1024 + 1);
  await unreadable(large, `Cannot read configuration "${large}": larger than 16 MiB`);
});

Deno.test({
  name: "a permission that is missing stays what it is",
  permissions: { read: false },
  async fn() {
    await assertRejects(() => configSource("/etc/hostname").read(), Deno.errors.NotCapable);
  },
});
