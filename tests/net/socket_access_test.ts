import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { CulvertError } from "../../src/core/errors.ts";
import { listen } from "../../src/net/listen.ts";
import { formatMode, groupId, setAccess } from "../../src/net/socket_access.ts";
import { run } from "../support/child.ts";
import { TemporaryFolder } from "../support/folder.ts";
import { testWith } from "../support/installed.ts";
import { Python } from "../support/python.ts";

const PROGRAM = new URL("./socket_access_program.ts", import.meta.url).pathname;
const OTHER_USER = 65_534;

/** Another user that connects whenever that is possible, and prints how often. */
const OTHER_USER_PROGRAM = `
import os
path, until, user = sys.argv[1], sys.argv[2], int(sys.argv[3])
os.setgroups([]); os.setgid(user); os.setuid(user)
say("ready")
count = 0
while not os.path.exists(until):
    s = socket.socket(socket.AF_UNIX)
    try:
        s.connect(path)
        count += 1
    except OSError: pass
    s.close()
say(str(count))
hear()
`;

Deno.test("a unix socket has the mode and the group that were asked for", async () => {
  await using folder = new TemporaryFolder();
  const path = folder.file("app.sock");
  const gid = Deno.gid()!;
  const listener = await listen({ kind: "unix", path, access: { mode: 0o660, group: gid } });
  const { mode, gid: group } = Deno.lstatSync(path);
  assertEquals([formatMode(mode! & 0o777), group], ["0660", gid]);
  await setAccess(path, { mode: 0o666 });
  assertEquals(formatMode(Deno.lstatSync(path).mode! & 0o777), "0666");
  await setAccess(path);
  assertEquals(formatMode(Deno.lstatSync(path).mode! & 0o777), "0600");
  listener.close();
});

Deno.test("groups are known by number and by name, and a name that does not exist leaves no socket", async () => {
  assertEquals([await groupId(4711), await groupId("root")], [4711, 0]);
  await using folder = new TemporaryFolder();
  const address = {
    kind: "unix",
    path: folder.file("app.sock"),
    access: { group: "no-such-group" },
  } as const;
  const error = await assertRejects(() => listen(address), CulvertError, 'the group "no-such-group"');
  assertEquals(error.code, "listen_failed");
  await assertRejects(() => Deno.lstat(address.path), Deno.errors.NotFound);
});

/** Runs the program under a umask, beside the other user; resolves to what it prints and how often the other user connected. */
async function beside(
  umask: string,
  { flags = "", group = "" }: { flags?: string; group?: string },
): Promise<{ said: string; count: number }> {
  await using folder = new TemporaryFolder();
  Deno.chmodSync(folder.path, 0o755);
  const [path, over] = [folder.file("app.sock"), folder.file("over")];
  await using other = new Python(OTHER_USER_PROGRAM, path, over, OTHER_USER);
  assertEquals(await other.hear(), "ready");
  const may = `--no-prompt --allow-net --allow-read=${path} --allow-write=${path} ${flags}`;
  const script = `umask ${umask}; exec "$0" run ${may} ${PROGRAM} ${path} ${group}`;
  const { stdout } = await run("sh", ["-c", script, Deno.execPath()]);
  Deno.writeTextFileSync(over, "");
  return { said: stdout.trim(), count: Number(await other.hear()) };
}

testWith(["python3"], "another user connects to a socket only once it has its group and mode", async (t) => {
  if (Deno.uid() !== 0) return; // Only root can become another user.
  await t.step("never to one of mode 0600, with a umask that keeps others out", async () => {
    assertEquals(await beside("022", {}), { said: "closed", count: 0 });
  });
  await t.step("nor with one that does not, where it may be changed", async () => {
    assertEquals(await beside("000", { flags: "--allow-sys" }), { said: "closed", count: 0 });
  });
  await t.step("without permission to change it, no listener is opened", async () => {
    const { said } = await beside("000", {});
    assertStringIncludes(said, "start with umask 022, or add --allow-sys");
  });
  await t.step("to one of his group", async () => {
    const { said, count } = await beside("022", { group: String(OTHER_USER) });
    assertEquals([said, count > 0], ["accepted", true]);
  });
});
