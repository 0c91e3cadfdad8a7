import { assert, assertEquals } from "@std/assert";
import { fileVersion } from "../../../src/app/watch/file_version.ts";
import { watchFile } from "../../../src/app/watch/watch.ts";
import type { BackendSpec } from "../../../src/upstream/options.ts";
import { Discovery } from "../../../src/upstream/discover/discovery.ts";
import { fileSource, type WatchPath } from "../../../src/upstream/discover/file_source.ts";
import { FakeClock } from "../../core/fake_clock.ts";
import { TemporaryFolder } from "../../support/folder.ts";
import { RecordingLog } from "../../support/recording_log.ts";
import { until } from "../../support/wait.ts";
import { specs } from "../upstream_fixture.ts";
import { hosts } from "./discovery_fixture.ts";

/** Hosts one after the other, in square brackets lest half a file will do. */
function parse(text: string) {
  if (!/^\[.*\]$/.test(text)) throw new SyntaxError(`no list: ${text}`);
  return specs(text.slice(1, -1));
}

/** The program's watch, as it would be handed in. */
function watchIn(folder: string): WatchPath {
  return async (path, onChange) => {
    const seen = await fileVersion(path);
    return await watchFile({ path, folder }, { onChange, log: new RecordingLog(), seen, quietMs: 20 });
  };
}

/** A file that backends are discovered from, by a watch alone or by looking again and again alone. */
class WatchedFile implements AsyncDisposable {
  readonly folder = new TemporaryFolder();
  readonly path = this.folder.file("backends.yaml");
  readonly log = new RecordingLog();
  readonly sets: string[] = [];
  parsed = 0;
  readonly discovery: Discovery;

  constructor({ watched, text }: { watched: boolean; text?: string }) {
    if (text !== undefined) Deno.writeTextFileSync(this.path, text);
    const source = fileSource({
      path: this.path,
      parse: (text) => {
        this.parsed++;
        return parse(text);
      },
      ...(watched ? { watch: watchIn(this.folder.path) } : {}),
      intervalMs: watched ? 1e6 : 20,
    });
    this.discovery = new Discovery({
      sources: [{ name: "file backends.yaml", source }],
      onSet: (set) => void this.sets.push(hosts(set)),
      log: this.log,
    });
    this.discovery.start();
  }

  get state(): string {
    const { state, error = "" } = this.discovery.status[0]!;
    return `${state} ${error.replace(this.path, "FILE")}`.trim();
  }

  async is(hosts: string): Promise<void> {
    await until(() => this.sets.at(-1) === hosts && this.state === "good", {
      what: `the set "${hosts}"`,
      context: () => `${this.sets} ${this.state}`,
    });
  }

  async fails(): Promise<void> {
    await until(() => this.state.startsWith("failing"), { what: "a failure" });
  }

  async write(text: string): Promise<void> {
    await Deno.writeTextFile(this.path, text);
  }

  async replace(text: string): Promise<void> {
    await Deno.writeTextFile(this.folder.file("next"), text);
    await Deno.rename(this.folder.file("next"), this.path);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.discovery.close();
    // The watch may be in the middle of a look.
    await new Promise((resolve) => setTimeout(resolve, 50));
    await this.folder[Symbol.asyncDispose]();
  }
}

for (const watched of [true, false]) {
  const how = watched ? "a watch" : "looking";

  Deno.test(`by ${how}, a file that is rewritten or replaced by rename yields its new set`, async () => {
    await using file = new WatchedFile({ watched, text: "[a]" });
    await file.is("a");
    await file.write("[a b]");
    await file.is("a b");
    await file.replace("[c]");
    await file.is("c");
    await file.replace("[]");
    await file.is("");
    assertEquals(file.sets, ["a", "a b", "c", ""]);
  });

  Deno.test(`by ${how}, a bad file keeps the last set, and a repaired one is taken at once`, async () => {
    await using file = new WatchedFile({ watched, text: "[a]" });
    await file.is("a");
    for (let i = 0; i < 5; i++) { // So many failures in a row would make a pause of half a minute.
      await file.write(`[a b ${i}`);
      await file.fails();
      assertEquals(file.state, `failing Cannot read backends from "FILE": no list: [a b ${i}`);
      await file.write(`[a ${i}]`);
      await file.is(`a ${i}`);
    }
    assertEquals(file.discovery.status[0]!.failures, 5);
  });
}

Deno.test("a file that has gone is a failure, keeps the last set, and counts again when it is back", async () => {
  await using file = new WatchedFile({ watched: false, text: "[a]" });
  await file.is("a");
  await Deno.remove(file.path);
  await file.fails();
  assert(/^failing Cannot read backends from "FILE": .*No such file/.test(file.state), file.state);
  await file.replace("[b]");
  await file.is("b");
  assertEquals(file.sets, ["a", "b"]);
});

Deno.test("a watched file that is gone for a moment is no failure", async () => {
  await using file = new WatchedFile({ watched: true, text: "[a]" });
  await file.is("a");
  await Deno.remove(file.path);
  await file.replace("[b]");
  await file.is("b");
  assertEquals([file.sets, file.discovery.status[0]!.failures], [["a", "b"], 0]);
});

Deno.test("a file that is not there at the start is a failure, until it comes", async () => {
  await using file = new WatchedFile({ watched: false });
  await file.discovery.ready;
  await file.fails();
  await file.write("[a]");
  await file.is("a");
});

Deno.test("a file that stays bad is one failure, and one that stays the same is not parsed again", async () => {
  await using file = new WatchedFile({ watched: false, text: "[a" });
  await file.fails();
  await new Promise((resolve) => setTimeout(resolve, 200));
  assertEquals([file.discovery.status[0]!.failures, file.parsed], [1, 1]);
  assertEquals(file.log.messages, ["discovery failed, keeping the last set"]);
});

/** A file that a source in fake time looks at every second; each look is awaited. */
class LookedAt implements AsyncDisposable {
  readonly folder = new TemporaryFolder();
  readonly path = this.folder.file("backends.yaml");
  readonly clock = new FakeClock();
  readonly sets: string[] = [];
  readonly discovery: Discovery;

  constructor(text: string) {
    Deno.writeTextFileSync(this.path, text);
    const source = fileSource({ path: this.path, parse, clock: this.clock, intervalMs: 1_000 });
    const onSet = (set: readonly BackendSpec[]) => void this.sets.push(hosts(set));
    this.discovery = new Discovery({ sources: [{ name: "file", source }], onSet });
    this.discovery.start();
  }

  /** Lets time pass, until the next pause. */
  async pass(ms: number): Promise<void> {
    this.clock.advance(ms);
    await this.rests();
  }

  async rests(): Promise<void> {
    await until(() => this.clock.pending === 1, { what: "the next pause" });
  }

  async replace(text: string): Promise<void> {
    await Deno.writeTextFile(this.folder.file("next"), text);
    await Deno.rename(this.folder.file("next"), this.path);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.discovery.close();
    await this.folder[Symbol.asyncDispose]();
  }
}

Deno.test("a file that is being written is not taken before it stays the same, however long that takes", async () => {
  await using file = new LookedAt("[a]");
  await file.rests();
  for (let i = 0; i < 30; i++) { // Each piece is a list that would do.
    await Deno.writeTextFile(file.path, `[a${" b".repeat(i)} c]`);
    await file.pass(i === 0 ? 1_000 : 100);
    assertEquals(file.sets, ["a"]);
  }
  await file.pass(100);
  assertEquals(file.sets.length, 2);
});

Deno.test("a file that is replaced again and again is taken after two seconds, and then again", async () => {
  await using file = new LookedAt("[a]");
  await file.rests();
  for (let i = 0; i <= 20; i++) {
    await file.replace(`[b${i}]`);
    await file.pass(i === 0 ? 1_000 : 100);
    assertEquals(file.sets, i < 20 ? ["a"] : ["a", "b20"]);
  }
  for (let i = 0; i <= 20; i++) {
    await file.replace(`[c${i}]`);
    await file.pass(i === 0 ? 1_000 : 100);
  }
  assertEquals(file.sets, ["a", "b20", "c20"]);
});

Deno.test("where there can be no watch, or it fails, the file is looked at", async () => {
  await using folder = new TemporaryFolder();
  const path = folder.file("backends.yaml");
  const watches: WatchPath[] = [
    () => Promise.resolve(undefined),
    () => Promise.reject(new Error("no more watches")),
  ];
  for (const watch of watches) {
    await Deno.writeTextFile(path, "[a]");
    const sets: string[] = [];
    const source = fileSource({ path, parse, watch, intervalMs: 20 });
    const onSet = (set: readonly BackendSpec[]) => void sets.push(hosts(set));
    const discovery = new Discovery({ sources: [{ name: "file", source }], onSet });
    discovery.start();
    await discovery.ready;
    await Deno.writeTextFile(path, "[b]");
    await until(() => sets.length === 2, { what: "the change" });
    assertEquals(sets, ["a", "b"]);
    await discovery.close();
  }
});

Deno.test("what is no regular file, or is too large, is a failure and is not read", async () => {
  await using folder = new TemporaryFolder();
  const large = folder.file("large");
  await Deno.writeTextFile(large, "[");
  await Deno.truncate(large, 16 * 1024 * 1024 + 1);
  for (const [path, why] of [[folder.path, "not a regular file"], [large, "larger than 16777216 bytes"]]) {
    const source = fileSource({ path: path!, parse });
    for await (const word of source(new AbortController().signal)) {
      assert(word instanceof Error);
      assertEquals(word.message, `Cannot read backends from "${path}": ${why}`);
      break;
    }
  }
});
