import { assertEquals } from "@std/assert";
import { findListenerFaults } from "../../src/app/listener_faults.ts";
import { mayListenOn } from "../../src/app/port_right.ts";
import { parseConfig } from "../../src/config/parse.ts";
import { formatPath } from "../../src/config/problem/problem.ts";
import { run } from "../support/child.ts";
import { TemporaryFolder } from "../support/folder.ts";
import { testWith } from "../support/installed.ts";
import { DENO, HEAD, MAIN } from "../support/program.ts";

const UPSTREAM = "upstream: {backends: [127.0.0.1:9]}";

/** What is found of these listeners of one service. */
async function found(folder: string, listen: string): Promise<{ faults: string[]; warnings: string[] }> {
  const text = `${HEAD}services: [{name: web, listen: [${listen}], ${UPSTREAM}}]\n`;
  const { faults, warnings } = await findListenerFaults(parseConfig(text, { name: "c", folder }));
  return { faults: faults.map(({ path, why }) => `${formatPath(path)}: ${why}`), warnings: [...warnings] };
}

Deno.test("what a unix socket could not be bound for is found without binding", async () => {
  await using folder = new TemporaryFolder();
  Deno.writeTextFileSync(folder.file("file"), "");
  Deno.mkdirSync(folder.file("folder"));
  Deno.symlinkSync("/dev/null", folder.file("link"));
  using _alive = Deno.listen({ transport: "unix", path: folder.file("alive.sock") });
  const sockets = ["new.sock", "alive.sock", "file", "folder", "link", "none/a.sock", "file/a.sock"];
  const { faults, warnings } = await found(folder.path, sockets.map((name) => `"unix:${name}"`).join(", "));
  const { path } = folder;
  assertEquals(faults, [
    "services[0].listen[2]: it exists and is not a socket",
    "services[0].listen[3]: it exists and is not a socket",
    "services[0].listen[4]: it exists and is not a socket",
    `services[0].listen[5]: there is no folder ${path}/none`,
    `services[0].listen[6]: ${path}/file is no folder`,
  ]);
  assertEquals(warnings, []);
  assertEquals([...Deno.readDirSync(path)].some(({ name }) => name === "new.sock"), false);
});

Deno.test("a group that does not exist is found, with its key", async () => {
  const listen = '{address: "unix:/tmp/a.sock", mode: "0660", group: no-such-group}, ' +
    '{address: "unix:/tmp/b.sock", group: root}, {address: "unix:/tmp/c.sock", group: 4711}';
  const { faults } = await found("/tmp", listen);
  assertEquals(faults, ['services[0].listen[0].group: Cannot find the group "no-such-group" in /etc/group']);
});

Deno.test("an address that this machine does not have is warned of, and no other", async () => {
  const own = ["127.0.0.1:8001", "127.9.9.9:8001", ":8002", "0.0.0.0:8003", "localhost:8004"];
  const ipv6 = ["[::1]:8005", "[2001:db8::1]:8006"];
  const all = [...own, ...ipv6, "192.0.2.1:8007"].map((address) => `"${address}"`).join(", ");
  const { faults, warnings } = await found("/", all);
  assertEquals(faults, []);
  assertEquals(warnings, [
    "service web: this machine does not have the address of [2001:db8::1]:8006 now",
    "service web: this machine does not have the address of 192.0.2.1:8007 now",
  ]);
});

Deno.test("a port that is free for everybody needs no right", () => {
  assertEquals([mayListenOn(0), mayListenOn(65_535)], [true, true]);
});

testWith(["setpriv"], "a port that needs a right which the program does not have is found", async () => {
  if (Deno.uid() !== 0) return; // Only root has the right to begin with.
  await using folder = new TemporaryFolder();
  const file = folder.file("culvert.yaml");
  const listen = '"127.0.0.1:443", "127.0.0.1:8443"';
  Deno.writeTextFileSync(file, `${HEAD}services: [{name: web, listen: [${listen}], ${UPSTREAM}}]\n`);
  const check = [DENO, "run", "-A", "--no-prompt", MAIN, "check", "--config", file];
  const withRight = await run("env", check);
  assertEquals(withRight.code, 0, withRight.stderr);
  const { code, stderr } = await run("setpriv", ["--bounding-set", "-all", "--inh-caps", "-all", ...check]);
  assertEquals(code, 78, stderr);
  const needs = "needs root, CAP_NET_BIND_SERVICE, or a lower net.ipv4.ip_unprivileged_port_start";
  assertEquals(
    stderr.trim(),
    `${file}:3: services[0].listen[0]: cannot use "127.0.0.1:443": port 443 ${needs}, which this program does not have`,
  );
});
