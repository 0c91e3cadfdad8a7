import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { Child, run } from "../support/child.ts";
import { freePort, TemporaryFolder } from "../support/folder.ts";
import { echo, startBackend } from "../support/peers.ts";
import { DENO, flagsFor, MAIN } from "../support/program.ts";
import { until } from "../support/wait.ts";

const UNIT = Deno.readTextFileSync(new URL("../../deploy/systemd/culvert.service", import.meta.url));

/** The values of a setting of the unit. */
function settings(key: string): string[] {
  return [...UNIT.matchAll(new RegExp(`^${key}=(.*)$`, "gm"))].map(([, value]) => value!);
}

Deno.test("the commands of the systemd unit start, await, reload and stop the program", async () => {
  await using folder = new TemporaryFolder();
  using backend = startBackend(echo);
  const admin = `127.0.0.1:${freePort()}`;
  const file = folder.file("culvert.yaml");
  const text = `version: 1
admin: {listen: "${admin}"}
services: [{name: main, listen: ["127.0.0.1:0"], upstream: {backends: ["${backend.address}"], health: {type: tcp}}}]
`;
  await Deno.writeTextFile(file, text);
  const placed = (command: string) =>
    command.replaceAll("/usr/local/bin/deno", DENO).replaceAll("/opt/culvert/culvert.js", MAIN)
      .replaceAll("/etc/culvert/culvert.yaml", file).replaceAll("127.0.0.1:9901", admin)
      .replaceAll(/ status\b/g, ` status --admin http://${admin}`);
  const [start = ""] = settings("ExecStart");
  const [program = "", ...args] = placed(start).split(" ").flatMap((word) =>
    word === "$CULVERT_FLAGS" ? flagsFor(text, file) : [word]
  );
  await using culvert = new Child({ program, args });
  const [, wait = ""] = /^\/bin\/sh -c '(.*)'$/.exec(settings("ExecStartPost")[0]!) ?? [];
  assertStringIncludes(wait, "status");
  const { code, stderr } = await run("sh", ["-c", placed(wait)]);
  assertEquals([code, stderr], [0, ""]);
  assertEquals(settings("ExecReload"), ["/bin/kill -HUP $MAINPID"]);
  culvert.signal("SIGHUP");
  await until(() => culvert.stderr.includes(" reloaded "), {
    what: "the reload",
    context: () => culvert.stderr,
  });
  culvert.signal(settings("KillSignal")[0] as Deno.Signal);
  assertEquals(await culvert.exit, 0);
});

Deno.test("the unit gives no more rights than the program needs", () => {
  for (
    const key of ["DynamicUser", "NoNewPrivileges", "ProtectHome", "PrivateDevices", "RestrictNamespaces"]
  ) {
    assertEquals([key, settings(key)], [key, ["yes"]]);
  }
  assertEquals(settings("CapabilityBoundingSet"), ["CAP_NET_BIND_SERVICE"]);
  assert(settings("ExecStart")[0]!.includes("--no-prompt"));
});
