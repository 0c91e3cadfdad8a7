import { assert, assertEquals, assertRejects } from "@std/assert";
import type { ConfigSource } from "../../src/app/config_source.ts";
import { LineWriter } from "../../src/app/log/line_writer.ts";
import { Supervisor } from "../../src/app/supervisor.ts";
import type { ServiceReport } from "../../src/dataplane/report.ts";
import { CulvertError } from "../../src/core/errors.ts";
import { freePort } from "../support/folder.ts";
import { settle } from "../support/settle.ts";

const SERVICE = `services:
  - {name: main, listen: ["127.0.0.1:0"], upstream: {backends: ["127.0.0.1:9"]}}
`;

/** A supervisor of what is read from `texts`, one after the other; its log; and where checks of permissions wait. */
function fixture(...texts: (string | Promise<string>)[]) {
  let log = "";
  const writer = new LineWriter({
    write(bytes) {
      log += new TextDecoder().decode(bytes);
      return Promise.resolve(bytes.length);
    },
  });
  const gate = {
    wait: Promise.resolve(),
    reached: Promise.withResolvers<void>(),
    reading: Promise.withResolvers<void>(),
  };
  const path = "/nowhere/culvert.yaml";
  const read = () => {
    gate.reading.resolve();
    return Promise.resolve(texts.shift()!);
  };
  const source: ConfigSource = { name: "test", folder: "/nowhere", path, read };
  const supervisor = new Supervisor({
    source,
    writer,
    version: "0",
    checkPermissions: () => {
      gate.reached.resolve();
      return gate.wait;
    },
  });
  return { supervisor, gate, log: () => log };
}

Deno.test("a stop while the start waits for its configuration ends it at once, and nothing runs later", async () => {
  const text = Promise.withResolvers<string>();
  const { supervisor, gate } = fixture(text.promise);
  using _ended = supervisor;
  const start = supervisor.start();
  await gate.reading.promise;
  supervisor.stop("test");
  await start;
  assertEquals(await supervisor.stopped, { cut: 0 });
  assertEquals(supervisor.controlPlane.state, "stopped");
  let [asked, reloaded] = [false, false];
  void gate.reached.promise.then(() => asked = true);
  void supervisor.reload("test").then(() => reloaded = true);
  text.resolve(`version: 1\n${SERVICE}`);
  await settle();
  assertEquals([asked, reloaded, await servicesOf(supervisor)], [false, false, []]);
});

Deno.test("what fails at the start when the stop has come is of no interest any more", async () => {
  const { supervisor, gate } = fixture(`version: 1\n${SERVICE}`);
  using _ended = supervisor;
  const checked = Promise.withResolvers<void>();
  gate.wait = checked.promise;
  const start = supervisor.start();
  await gate.reached.promise;
  supervisor.stop("test");
  checked.reject(new CulvertError("permission_missing", "no"));
  await start;
  assertEquals(await supervisor.stopped, { cut: 0 });
});

Deno.test("a stop while the start waits for anything else leaves nothing bound", async () => {
  const port = freePort();
  const { supervisor, gate } = fixture(`version: 1\nadmin: {listen: "127.0.0.1:${port}"}\n${SERVICE}`);
  using _ended = supervisor;
  const checked = Promise.withResolvers<void>();
  gate.wait = checked.promise;
  const start = supervisor.start();
  await gate.reached.promise;
  supervisor.stop("test");
  await start;
  assertEquals(await supervisor.stopped, { cut: 0 });
  checked.resolve();
  await new Promise((resolve) => setTimeout(resolve, 50)); // The start goes on in the background, to its end.
  assertEquals([supervisor.controlPlane.state, await servicesOf(supervisor)], ["stopped", []]);
  await assertRejects(() => Deno.connect({ hostname: "127.0.0.1", port }), Deno.errors.ConnectionRefused);
});

Deno.test("what fails at the start is thrown, and the signals are let go", async () => {
  const { supervisor, gate } = fixture(`version: 1\n${SERVICE}`);
  gate.wait = Promise.reject(new CulvertError("permission_missing", "no"));
  await assertRejects(() => supervisor.start(), CulvertError, "no");
});

Deno.test("a reload that is under way when the stop comes is refused and leaves nothing bound", async () => {
  const port = freePort();
  const texts = [`version: 1\n${SERVICE}`, `version: 1\nadmin: {listen: "127.0.0.1:${port}"}\n${SERVICE}`];
  const { supervisor, gate, log } = fixture(...texts);
  using _ended = supervisor;
  await supervisor.start();
  const [service] = await servicesOf(supervisor);
  gate.reached = Promise.withResolvers<void>();
  const checked = Promise.withResolvers<void>();
  gate.wait = checked.promise;
  const reload = supervisor.reload("test");
  await gate.reached.promise;
  supervisor.stop("test");
  checked.resolve();
  const outcome = await reload;
  assert(!outcome.ok);
  assertEquals(outcome.error.code, "draining");
  assertEquals(await supervisor.stopped, { cut: 0 });
  assertEquals(supervisor.adminAddress, undefined);
  const [address] = service!.listeners;
  assert(address?.kind === "tcp");
  for (const each of [port, address.port]) {
    const options = { hostname: "127.0.0.1", port: each };
    await assertRejects(() => Deno.connect(options), Deno.errors.ConnectionRefused);
  }
  assert(log().includes("info  stopped cut=0"), log());
});

async function servicesOf({ controlPlane }: Supervisor): Promise<readonly ServiceReport[]> {
  return (await controlPlane.dataPlane.report()).services;
}
