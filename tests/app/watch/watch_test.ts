import { assert, assertEquals, assertRejects } from "@std/assert";
import { fileVersion } from "../../../src/app/watch/file_version.ts";
import { watchFile, type WatchOptions } from "../../../src/app/watch/watch.ts";
import { RecordingLog } from "../../support/recording_log.ts";
import { TemporaryFolder } from "../../support/folder.ts";
import { until } from "../../support/wait.ts";
import { FakeClock } from "../../core/fake_clock.ts";

const QUIET_MS = 40;

/** Watches `proxy.yaml`, in the folder of its own or below that, and counts what it is told. */
async function watched(times: Partial<WatchOptions> = {}, below = "") {
  const folder = new TemporaryFolder();
  const inner = folder.path + below;
  const path = `${inner}/proxy.yaml`;
  await Deno.mkdir(inner, { recursive: true });
  await Deno.writeTextFile(path, "version: 1");
  const log = new RecordingLog();
  let changes = 0;
  const onChange = () => void changes++;
  const seen = await fileVersion(path);
  const options = { onChange, log, quietMs: QUIET_MS, seen, ...times };
  const end = (await watchFile({ path, folder: inner }, options))!;
  return {
    path,
    folder,
    log,
    count: () => changes,
    changed: (count: number) => until(() => changes === count, { what: `change ${count}` }),
    async [Symbol.asyncDispose]() {
      end();
      await rest();
      await folder[Symbol.asyncDispose]();
    },
  };
}

/** Long enough for what is going to happen to have happened. */
function rest(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 5 * QUIET_MS));
}

Deno.test("a file that is rewritten is noticed, once for changes that come close together", async () => {
  await using file = await watched();
  for (let i = 0; i < 10; i++) Deno.writeTextFileSync(file.path, `version: 1 # ${i}`);
  await file.changed(1);
  await rest();
  assertEquals(file.count(), 1);
  await Deno.writeTextFile(file.path, "version: 1 # again");
  await file.changed(2);
});

Deno.test("a file that is replaced by another is noticed, and one that has gone is not, until it is back", async () => {
  await using file = await watched();
  await Deno.writeTextFile(file.folder.file("next"), "version: 1");
  await Deno.rename(file.folder.file("next"), file.path);
  await file.changed(1);
  await Deno.remove(file.path);
  await rest();
  assertEquals(file.count(), 1);
  await Deno.writeTextFile(file.path, "version: 1 # back");
  await file.changed(2);
});

Deno.test("a link that leads to the file and is moved to another one is noticed", async () => {
  await using folder = new TemporaryFolder();
  for (const name of ["one", "two"]) {
    await Deno.mkdir(folder.file(name));
    await Deno.writeTextFile(folder.file(`${name}/proxy.yaml`), `version: 1 # ${name}`);
  }
  await Deno.symlink("one", folder.file("current"));
  await Deno.symlink("current/proxy.yaml", folder.file("proxy.yaml"));
  let changes = 0;
  const path = folder.file("proxy.yaml");
  const seen = await fileVersion(path);
  const options = { onChange: () => void changes++, log: new RecordingLog(), quietMs: QUIET_MS, seen };
  const end = await watchFile({ path, folder: folder.path }, options);
  await Deno.symlink("two", folder.file("next"));
  await Deno.rename(folder.file("next"), folder.file("current"));
  await until(() => changes === 1, { what: "the change" });
  end!();
  await rest();
});

Deno.test("what happens to other files of the folder is no change", async () => {
  await using file = await watched();
  await Deno.writeTextFile(file.folder.file("other"), "x");
  await Deno.remove(file.folder.file("other"));
  await Deno.readTextFile(file.path);
  await rest();
  assertEquals(file.count(), 0);
});

Deno.test("a change is noticed in a folder that is never quiet, such as one with a log in it", async () => {
  await using file = await watched();
  const noise = setInterval(
    () => Deno.writeTextFileSync(file.folder.file("log"), "x\n", { append: true }),
    5,
  );
  await Deno.writeTextFile(file.path, "version: 1 # new");
  await file.changed(1).finally(() => clearInterval(noise));
});

Deno.test("a file that is still being written is left alone until it stays the same", async () => {
  await using file = await watched({ quietMs: 600 });
  using writer = await Deno.open(file.path, { append: true });
  for (let i = 0; i < 60; i++) {
    writer.writeSync(new TextEncoder().encode(`# part ${i}\n`));
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assertEquals(file.count(), 0);
  await file.changed(1);
});

Deno.test("a change that came before the watch, but after the file was read, is noticed", async () => {
  await using folder = new TemporaryFolder();
  const path = folder.file("proxy.yaml");
  await Deno.writeTextFile(path, "version: 1");
  const seen = await fileVersion(path);
  await Deno.writeTextFile(path, "version: 1 # new");
  let changes = 0;
  const options = { onChange: () => void changes++, log: new RecordingLog(), quietMs: QUIET_MS, seen };
  const end = await watchFile({ path, folder: folder.path }, options);
  await until(() => changes === 1, { what: "the change" });
  end!();
  await rest();
});

Deno.test("a file that was not there when it was read, and came before the watch, is noticed", async () => {
  await using folder = new TemporaryFolder();
  const path = folder.file("crl.pem");
  const seen = await fileVersion(path);
  assertEquals(seen, undefined);
  await Deno.writeTextFile(path, "here");
  let changes = 0;
  const options = { onChange: () => void changes++, log: new RecordingLog(), quietMs: QUIET_MS, seen };
  const end = await watchFile({ path, folder: folder.path }, options);
  await until(() => changes === 1, { what: "the change" });
  end!();
  await rest();
});

Deno.test("a folder that cannot be watched is an error of the caller", async () => {
  await using folder = new TemporaryFolder();
  const options = { onChange() {}, log: new RecordingLog() };
  const gone = { path: folder.file("a/b"), folder: folder.file("a") };
  await assertRejects(() => watchFile(gone, options), Deno.errors.NotFound);
});

Deno.test("a file that stays away is a change, once, and so is its return", async () => {
  await using file = await watched({ goneMs: 150 });
  await Deno.remove(file.path);
  await file.changed(1);
  await rest();
  assertEquals(file.count(), 1);
  await Deno.writeTextFile(file.path, "version: 1");
  await file.changed(2);
  assertEquals(file.log.lines, []);
});

Deno.test("a file is gone once it has been away for two seconds, and not before", async () => {
  const clock = new FakeClock();
  await using file = await watched({ clock });
  await until(() => clock.pending === 1, { what: "the first look" });
  await Deno.remove(file.path);
  const advance = async () => {
    await clock.advanceAsync(10);
    await new Promise((resolve) => setTimeout(resolve, 5));
  };
  while (clock.now() < 1_990) await advance();
  assertEquals(file.count(), 0);
  await until(async () => (await advance(), file.count() === 1), { what: "the change" });
  assert(clock.now() < 15_000, "it was noticed by chance");
});

Deno.test("a file is followed to a folder that replaces its own", async () => {
  await using file = await watched({}, "/sub");
  await Deno.remove(`${file.folder.path}/sub`, { recursive: true });
  await Deno.mkdir(`${file.folder.path}/sub`);
  await Deno.writeTextFile(file.path, "version: 1 # again");
  await file.changed(1);
  await Deno.writeTextFile(file.path, "version: 1 # and changed there");
  await file.changed(2);
  assertEquals(file.log.lines, []);
});

Deno.test("a file is followed to a folder that comes back long after its own has gone", async () => {
  await using file = await watched({ goneMs: 100, lookMs: 50 }, "/sub");
  await Deno.remove(`${file.folder.path}/sub`, { recursive: true });
  await file.changed(1);
  await Deno.mkdir(`${file.folder.path}/sub`);
  await Deno.writeTextFile(file.path, "version: 1 # back");
  await file.changed(2);
  await Deno.writeTextFile(file.path, "version: 1 # and changed there");
  await file.changed(3);
  assertEquals(file.log.lines, []);
});

Deno.test("a file is followed to a folder that is renamed to the place of its own", async () => {
  await using file = await watched({ lookMs: 50 }, "/sub");
  const { path } = file.folder;
  await Deno.mkdir(`${path}/next`);
  await Deno.writeTextFile(`${path}/next/proxy.yaml`, "version: 1 # next");
  await Deno.rename(`${path}/sub`, `${path}/old`);
  await Deno.rename(`${path}/next`, `${path}/sub`);
  await file.changed(1);
  await Deno.writeTextFile(file.path, "version: 1 # and changed there");
  await file.changed(2);
});

Deno.test("a file is followed by a link on the way to its folder, which is seen to be moved within 20 seconds", async () => {
  await using folder = new TemporaryFolder();
  for (const name of ["v1", "v2"]) {
    await Deno.mkdir(folder.file(name));
    await Deno.writeTextFile(folder.file(`${name}/proxy.yaml`), `version: 1 # ${name}`);
  }
  await Deno.symlink("v1", folder.file("current"));
  const path = folder.file("current/proxy.yaml");
  const clock = new FakeClock();
  let changes = 0;
  const options = {
    onChange: () => void changes++,
    log: new RecordingLog(),
    clock,
    seen: await fileVersion(path),
  };
  const end = await watchFile({ path, folder: folder.file("current") }, options);
  await until(() => clock.pending === 1, { what: "the first look" });
  await Deno.symlink("v2", folder.file("next"));
  await Deno.rename(folder.file("next"), folder.file("current"));
  await clock.advanceAsync(19_999);
  assertEquals([changes, clock.pending], [0, 1]);
  const changed = (count: number) =>
    until(async () => (await clock.advanceAsync(10), changes === count), { what: `change ${count}` });
  await changed(1);
  const movedMs = clock.now();
  await Deno.writeTextFile(path, "version: 1 # changed there");
  await changed(2);
  assert(clock.now() - movedMs < 10_000, "it is not looked at more often");
  end!();
  await rest();
  assertEquals(clock.pending, 0);
});

Deno.test("after the end nothing is reported any more, and nothing is left behind", async () => {
  const file = await watched();
  await Deno.writeTextFile(file.path, "version: 1 # new");
  await file[Symbol.asyncDispose]();
  assertEquals([file.count(), file.log.lines], [0, []]);
});

Deno.test({
  name: "without the permission to read the folder there is no watch",
  permissions: { read: false },
  async fn() {
    const options = { onChange() {}, log: new RecordingLog() };
    assertEquals(await watchFile({ path: "proxy.yaml", folder: "." }, options), undefined);
  },
});
