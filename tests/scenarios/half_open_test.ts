import { assertEquals, assertStringIncludes } from "@std/assert";
import { libcPaths } from "../../src/upstream/check/half_open/libc_paths.ts";
import { ADMIN_HEAD, AdminClient } from "../support/admin_client.ts";
import { callOneByOne } from "../support/calls.ts";
import { finishChecked, restingDescriptors } from "../support/checked.ts";
import { run } from "../support/child.ts";
import { TemporaryFolder } from "../support/folder.ts";
import { Member } from "../support/member.ts";
import { connect, exchange, greet, readLine, startBackend } from "../support/peers.ts";
import { DENO, MAIN, printedFlags, startCulvert } from "../support/program.ts";
import { proxyConfig } from "../support/proxy_config.ts";
import { Python } from "../support/python.ts";
import { until } from "../support/wait.ts";
import { halfOpenTest } from "../upstream/check/half_open/fixture.ts";

/** Prints its port, greets and closes each connection, and for each line of input prints how many it has accepted so far. */
const COUNTER = `
import threading
listener = socket.socket()
listener.bind(("127.0.0.1", 0))
listener.listen(1024)
accepted = 0
def accept():
    global accepted
    while True:
        connection = listener.accept()[0]
        accepted += 1
        try:
            connection.sendall(b"counter\\n")
        except OSError:
            pass
        connection.close()
threading.Thread(target=accept, daemon=True).start()
say(str(listener.getsockname()[1]))
while hear():
    say(str(accepted))
`;

const HALF_OPEN = "health: {type: half-open, interval: 100ms, timeout: 2s, rise: 2, fall: 2}";
/** So many checks in a row must bring nothing to accept. */
const CHECKS = 10;
/** A busy machine may hold a check up for so long that the kernel completes its handshake. */
const ATTEMPTS = 10;

halfOpenTest(
  "half-open checks find open ports, and give the program behind them no connection to accept",
  async () => {
    await using counter = new Python(COUNTER);
    const counted = `127.0.0.1:${await counter.hear()}`;
    using member = new Member("member");
    await using culvert = await startCulvert(
      proxyConfig({ backends: [counted, member.address], upstream: HALF_OPEN, head: ADMIN_HEAD }),
    );
    using admin = new AdminClient(culvert);
    await admin.ready();
    const resting = await restingDescriptors(culvert);
    const accepted = async () => {
      await counter.say("how many?");
      return Number(await counter.hear());
    };
    const checks = async () => (await admin.backend(counted)).check!.inARow;

    for (let attempt = 1;; attempt++) {
      const [before, done] = [await accepted(), await checks()];
      await until(async () => await checks() >= done + CHECKS, { what: `${CHECKS} more checks` });
      const more = await accepted() - before;
      if (more === 0) break;
      if (attempt === ATTEMPTS) throw new Error(`${CHECKS} checks have brought ${more} connections`);
    }
    const { state, check } = await admin.backend(counted);
    assertEquals([state, check!.type, check!.ok, check!.detail], [
      "up",
      "half-open",
      true,
      "answered SYN with SYN-ACK",
    ]);

    member.stop();
    const down = await admin.untilState(member.address, "down");
    const why = `Cannot check "${member.address}": refused (ECONNREFUSED)`;
    assertEquals([down.why, down.check!.ok], [why, false]);
    assertEquals((await culvert.waitFor({ message: "backend is down" })).why, why);
    assertEquals(await callOneByOne(culvert, 3), ["counter", "counter", "counter"]);
    await member.start();
    await admin.untilState(member.address, "up");
    assertEquals((await callOneByOne(culvert, 2)).toSorted(), ["counter", "member"]);
    assertEquals(culvert.found({ message: "backend is down" }).length, 1);
    await finishChecked(culvert, resting);
  },
  { programs: ["python3"] },
);

halfOpenTest(
  "without --allow-ffi the program names the library and exits with 77; nothing else takes its place",
  async () => {
    await using folder = new TemporaryFolder();
    const file = folder.file("culvert.yaml");
    await Deno.writeTextFile(file, proxyConfig({ backends: ["127.0.0.1:9"], upstream: HALF_OPEN }));
    const flags = await printedFlags(file);
    const [library] = libcPaths();
    const flag = `--allow-ffi=${library}`;
    assertEquals(flags, ["--allow-net=127.0.0.1:0,127.0.0.1:9", `--allow-read=${file}`, flag]);
    const others = flags.filter((each) => each !== flag);
    for (const less of [others, [...others, "--allow-ffi=/lib/no-libc.so.6"], [...others, "--deny-ffi"]]) {
      const { code, stdout, stderr } = await run(DENO, ["run", ...less, MAIN, "--config", file]);
      assertEquals([code, stdout], [77, ""]);
      assertEquals(stderr, `culvert: Cannot run: a permission is missing; add ${flag}\n`);
    }
  },
);

halfOpenTest(
  "what --allow-ffi gives away is said beside the flags, and nothing of it among them",
  async () => {
    await using folder = new TemporaryFolder();
    const file = folder.file("culvert.yaml");
    const told = async (upstream: string) => {
      await Deno.writeTextFile(file, proxyConfig({ backends: ["127.0.0.1:9"], upstream }));
      return await run(DENO, ["run", `--allow-read=${file}`, MAIN, "permissions", "--config", file]);
    };
    const { stdout, stderr } = await told(HALF_OPEN);
    assertEquals(stdout.trim().split(" ").every((flag) => flag.startsWith("--allow-")), true, stdout);
    assertStringIncludes(stderr, "note: --allow-ffi lets the program call any function of the C library");
    assertEquals((await told("retries: 2")).stderr, "");
  },
);

halfOpenTest(
  "with --allow-ffi from the start, a reload may ask for half-open checks later, and again",
  async () => {
    using member = new Member("member");
    const plain = proxyConfig({ backends: [member.address] });
    const checked = proxyConfig({ backends: [member.address], upstream: HALF_OPEN });
    await using culvert = await startCulvert(plain, { later: [checked] });
    for (let i = 1; i <= 2; i++) {
      await culvert.reload(checked);
      member.stop();
      await culvert.waitFor({ message: "backend is down" }, i);
      await member.start();
      await culvert.waitFor({ message: "backend is up" }, i);
      await culvert.reload(plain);
    }
    await culvert.finish();
  },
);

halfOpenTest("a reload that asks for half-open checks without --allow-ffi is refused", async () => {
  using backend = startBackend(greet("backend"));
  const backends = [backend.address];
  await using culvert = await startCulvert(proxyConfig({ backends }));
  await culvert.write(proxyConfig({ backends, upstream: HALF_OPEN }));
  culvert.signal("SIGHUP");
  const message = "reload failed, keeping the current configuration";
  const { error } = await culvert.waitFor({ message });
  assertStringIncludes(String(error), `a permission is missing; add --allow-ffi=${libcPaths()[0]}`);
  {
    using client = await connect(culvert.port("main"));
    assertEquals([await readLine(client), await exchange(client, "still there")], ["backend", "still there"]);
  }
  await culvert.finish(0, [message]);
});
