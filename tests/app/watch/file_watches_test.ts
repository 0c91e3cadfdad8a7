import { assertEquals } from "@std/assert";
import { fileVersions, FileWatches } from "../../../src/app/watch/file_watches.ts";
import { TemporaryFolder } from "../../support/folder.ts";
import { RecordingLog } from "../../support/recording_log.ts";
import { until } from "../../support/wait.ts";

const QUIET_MS = 40;

/** Watches nothing yet, in a folder of its own. */
function fixture() {
  const folder = new TemporaryFolder();
  const log = new RecordingLog();
  const changed: string[] = [];
  const onChange = (path: string) => void changed.push(path.slice(folder.path.length + 1));
  const watches = new FileWatches({ onChange, log, quietMs: QUIET_MS });
  return {
    watches,
    folder,
    log,
    changed,
    write: (name: string, text: string) => Deno.writeTextFileSync(folder.file(name), text),
    look: (...names: string[]) => fileVersions(names.map((name) => folder.file(name))),
    untilChanged: (count: number) => until(() => changed.length === count, { what: `${count} changes` }),
    async [Symbol.asyncDispose]() {
      watches.end();
      await rest();
      await folder[Symbol.asyncDispose]();
    },
  };
}

/** Long enough for what is going to happen to have happened. */
function rest(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 5 * QUIET_MS));
}

Deno.test("each file's changes are reported, those too that came between reading and watching", async () => {
  await using test = fixture();
  const { write, changed } = test;
  for (const name of ["a", "b", "c"]) write(name, "old");
  const seen = await test.look("a", "b", "c", "missing");
  write("b", "new and longer");
  write("missing", "here");
  await test.watches.follow(seen);
  await test.untilChanged(2);
  assertEquals(changed.toSorted(), ["b", "missing"]);
  write("c", "new and longer");
  await test.untilChanged(3);
  assertEquals(changed[2], "c");
  assertEquals(test.log.lines, []);
});

Deno.test("files that are not named any more are let go, and those that are named again are not told twice", async () => {
  await using test = fixture();
  const { write, changed } = test;
  for (const name of ["a", "b"]) write(name, "old");
  await test.watches.follow(await test.look("a", "b"));
  await test.watches.follow(await test.look("b"));
  write("a", "new and longer");
  write("b", "new and longer");
  await test.untilChanged(1);
  await rest();
  assertEquals(changed, ["b"]);
});

Deno.test("a file that can't be watched is logged, keeps no other from it, and is tried again", async () => {
  await using test = fixture();
  const { write, changed, log } = test;
  write("b", "old");
  await test.watches.follow(await test.look("sub/a", "b"));
  assertEquals(log.lines.map(({ level, message }) => [level, message]), [["warn", "cannot watch a file"]]);
  write("b", "new and longer");
  await test.untilChanged(1);
  await Deno.mkdir(test.folder.file("sub"));
  write("sub/a", "old");
  await test.watches.follow(await test.look("sub/a", "b"));
  write("sub/a", "new and longer");
  await test.untilChanged(2);
  assertEquals(changed, ["b", "sub/a"]);
  assertEquals(log.lines.length, 1);
});

Deno.test("an end while the watches begin leaves none behind", async () => {
  await using test = fixture();
  test.write("a", "old");
  const beginning = test.watches.follow(await test.look("a"));
  test.watches.end();
  await beginning;
  test.write("a", "new and longer");
  await rest();
  assertEquals(test.changed, []);
});

Deno.test({
  name:
    "files whose folders may not be read are named together, with what to do, and again when they are others",
  permissions: { read: false },
  async fn() {
    const log = new RecordingLog();
    const watches = new FileWatches({ onChange() {}, log });
    const follow = (...paths: string[]) => watches.follow(new Map(paths.map((path) => [path, undefined])));
    await follow("/etc/a/proxy.yaml", "/etc/b c/ca.crl", "/etc/a/ca.pem");
    await follow("/etc/a/proxy.yaml", "/etc/b c/ca.crl", "/etc/a/ca.pem");
    await follow("/etc/a/proxy.yaml");
    await follow();
    await follow("/etc/a/proxy.yaml");
    const message = "file changes are not watched: no permission to read their folders";
    const one = {
      files: "/etc/a/proxy.yaml",
      help: "add --allow-read=/etc/a, or send SIGHUP after a change",
    };
    const all = {
      files: "/etc/a/proxy.yaml, /etc/b c/ca.crl, /etc/a/ca.pem",
      help: "add '--allow-read=/etc/a,/etc/b c', or send SIGHUP after a change",
    };
    assertEquals(log.lines, [all, one, one].map((fields) => ({ level: "info", message, fields })));
    watches.end();
  },
});
