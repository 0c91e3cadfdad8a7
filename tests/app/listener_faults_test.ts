import { assertEquals } from "@std/assert";
import { findListenerFaults } from "../../src/app/listener_faults.ts";
import { mayListenOn } from "../../src/app/capabilities.ts";
import { parseConfig } from "../../src/config/parse.ts";
import { formatPath } from "../../src/config/problem/problem.ts";
import { Child, output, run } from "../support/child.ts";
import { until } from "../support/wait.ts";
import { TemporaryFolder } from "../support/folder.ts";
import { testWith } from "../support/installed.ts";
import { DENO, HEAD, MAIN, SOURCE } from "../support/program.ts";

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

Deno.test("an unprivileged port needs no capability", () => {
  assertEquals([mayListenOn(0), mayListenOn(65_535)], [true, true]);
});

testWith(["setpriv"], "a folder that root may not write to without capabilities is found", async () => {
  if (Deno.uid() !== 0) return; // Only root may have capabilities.
  await using folder = new TemporaryFolder();
  const other = folder.file("other");
  Deno.mkdirSync(other, { mode: 0o755 });
  Deno.chownSync(other, 4711, 4711);
  Deno.chmodSync(folder.path, 0o755);
  const file = folder.file("culvert.yaml");
  const listen = `"unix:${other}/a.sock", "unix:${folder.path}/b.sock"`;
  Deno.writeTextFileSync(file, `${HEAD}services: [{name: web, listen: [${listen}], ${UPSTREAM}}]\n`);
  const check = [DENO, "run", "-A", "--no-prompt", MAIN, "check", "--config", file];
  assertEquals((await run("env", check)).code, 0);
  const { code, stderr } = await run("setpriv", ["--bounding-set", "-all", "--inh-caps", "-all", ...check]);
  assertEquals(code, 78, stderr);
  const where = `${file}:3: services[0].listen[0]: cannot use "unix:${other}/a.sock"`;
  assertEquals(stderr.trim(), `${where}: this user may not create files in the folder ${other}`);
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

testWith(
  ["setpriv"],
  "a folder in which this user may not create a socket is found, as binding there fails",
  async () => {
    if (Deno.uid() !== 0) return; // Only root can be another user.
    await using folder = new TemporaryFolder();
    const bundle = folder.file("culvert.js");
    // The other user can read neither these sources nor the cache of root.
    await output(DENO, ["bundle", "--quiet", "-o", bundle, SOURCE]);
    const otherUser = 65_534;
    const modes = { own: 0o755, closed: 0o755, open: 0o777, unwritable: 0o555 };
    for (const [name, mode] of Object.entries(modes)) {
      Deno.mkdirSync(folder.file(name));
      Deno.chmodSync(folder.file(name), mode);
    }
    for (const name of ["own", "unwritable"]) Deno.chownSync(folder.file(name), otherUser, otherUser);
    Deno.chmodSync(folder.path, 0o755);
    const as = ["--reuid", String(otherUser), "--regid", String(otherUser), "--clear-groups"];
    const start = (name: string, command: string) => {
      const file = folder.file(`${name}.yaml`);
      Deno.writeTextFileSync(
        file,
        `${HEAD}services: [{name: web, listen: ["unix:${name}/a.sock"], ${UPSTREAM}}]\n`,
      );
      const args = [...as, DENO, "run", "-A", "--no-prompt", bundle, command, "--config", file];
      return new Child({ program: "setpriv", args, env: { DENO_DIR: folder.file("own") }, cwd: "/" });
    };
    for (const name of Object.keys(modes)) {
      await using check = start(name, "check");
      await using running = start(name, "run");
      const isGood = name === "own" || name === "open";
      await until(() => !running.running || running.stderr.includes("started"), { what: name });
      assertEquals(running.running, isGood, running.stderr);
      running.signal("SIGTERM");
      assertEquals(await check.exit, isGood ? 0 : 78, check.stderr);
      if (isGood) continue;
      const path = folder.file(name);
      const why = `this user may not create files in the folder ${path}`;
      assertEquals(
        check.stderr.trim(),
        `${path}.yaml:3: services[0].listen[0]: cannot use "unix:${path}/a.sock": ${why}`,
      );
    }
  },
);
