import { assertEquals, assertStringIncludes } from "@std/assert";
import { Child, run } from "../support/child.ts";
import { SecondPort } from "../support/check_server.ts";
import { discoveringConfig } from "../support/discovered.ts";
import { freePort, TemporaryFolder } from "../support/folder.ts";
import { parseLogLine } from "../support/log_record.ts";
import { Member } from "../support/member.ts";
import { connect, exchange, greet, readLine, startBackend } from "../support/peers.ts";
import { DENO, HEAD, MAIN, printedFlags } from "../support/program.ts";
import { proxyConfig } from "../support/proxy_config.ts";
import { until, within } from "../support/wait.ts";

const MISSING = "culvert: Cannot run: a permission is missing; add ";

/** A configuration in a file of its own. */
class Case implements AsyncDisposable {
  readonly folder = new TemporaryFolder();
  readonly file = this.folder.file("culvert.yaml");

  async write(config: string): Promise<void> {
    await Deno.writeTextFile(this.file, config);
  }

  /** The flags without which it does not start, as the program itself tells one after the other. */
  async required(): Promise<string[]> {
    const read = `--allow-read=${this.file}`;
    const { code, stdout, stderr } = await run(DENO, ["run", read, MAIN, "--config", this.file]);
    assertEquals([code, stdout, stderr.slice(0, MISSING.length)], [77, "", MISSING]);
    return [read, ...stderr.slice(MISSING.length).trim().split(" ")];
  }

  /** Sees to it that without any one value of these flags the program does not start, and names just that. */
  async refusedWithoutAny(flags: readonly string[]): Promise<void> {
    for (const [index, flag] of flags.entries()) {
      const [name, list = ""] = flag.split("=");
      for (const value of list.split(",")) {
        const rest = list.split(",").filter((other) => other !== value);
        const less = rest.length === 0
          ? flags.toSpliced(index, 1)
          : flags.with(index, `${name}=${rest.join()}`);
        const { code, stderr } = await run(DENO, ["run", ...less, MAIN, "--config", this.file]);
        assertEquals([code, stderr], [77, `${MISSING}${name}=${value}\n`]);
      }
    }
  }

  /** Runs the program with these flags while `use` uses it; it must end well, denied so many times. */
  async runs(
    { flags, denied = 0 }: { flags: readonly string[]; denied?: number },
    use: (child: Child) => Promise<void>,
  ): Promise<void> {
    await using child = new Child({ program: DENO, args: ["run", ...flags, MAIN, "--config", this.file] });
    await said(child, { message: "started" });
    await use(child);
    child.signal("SIGTERM");
    assertEquals(await within(child.exit, { what: "the program to end", context: () => child.stderr }), 0);
    // Nor has it tried anything that it may not do.
    assertEquals(child.stderr.split("\n").filter((line) => DENIED.test(line)).length, denied);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.folder[Symbol.asyncDispose]();
  }
}

/** What the runtime says, and what is said before it is asked. */
const DENIED = /Requires |a permission is missing/;

/** Resolves to the first record of the log with these values. */
async function said(child: Child, values: Readonly<Record<string, unknown>>) {
  const found = () => {
    const complete = child.stderr.slice(0, child.stderr.lastIndexOf("\n") + 1);
    return complete.split("\n").map(parseLogLine).find((record) =>
      record !== undefined && Object.entries(values).every(([key, value]) => record[key] === value)
    );
  };
  await until(() => found() !== undefined, { what: JSON.stringify(values), context: () => child.stderr });
  return found()!;
}

/** What the admin API on a unix socket answers. */
async function askAt(path: string, what: string) {
  const connection = await Deno.connect({ transport: "unix", path });
  const request = `GET ${what} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`;
  await connection.write(new TextEncoder().encode(request));
  const answer = await new Response(connection.readable).text(); // Closes it at its end.
  return JSON.parse(answer.slice(answer.indexOf("\r\n\r\n")));
}

/** The port that the program has picked for its service. */
async function portOf(child: Child): Promise<number> {
  const { listener } = await said(child, { message: "listening", service: "main" });
  return Number(String(listener).split(":").at(-1));
}

Deno.test("checks on another port, an admin listener and unix sockets need their permissions and no others", async () => {
  await using it = new Case();
  using member = new Member("member");
  const port = freePort();
  using _checked = new SecondPort(member.hostname, port);
  const path = it.folder.file("backend.sock");
  using backend = startBackend(greet("socket"), { path });
  const [front, admin] = [it.folder.file("front.sock"), it.folder.file("admin.sock")];
  const config = proxyConfig({
    backends: [member.address],
    upstream: `health: {type: tcp, interval: 200ms, port: ${port}}`,
    head: `${HEAD}admin: {listen: "unix:${admin}"}\n`,
  });
  const behind = `{health: {type: tcp, interval: 200ms}, backends: [{address: "${backend.address}"}]}`;
  await it.write(`${config}  - {name: front, listen: ["unix:${front}"], upstream: ${behind}}\n`);
  const flags = await printedFlags(it.file);
  assertEquals(flags, [
    `--allow-net=127.0.0.1:0,unix:${front},unix:${admin},` +
    `${member.address},${member.hostname}:${port},unix:${path}`,
    `--allow-read=${it.file},${front},${admin},${path}`,
    `--allow-write=${front},${admin},${path}`,
  ]);
  await it.refusedWithoutAny(flags);
  await it.runs({ flags }, async (child) => {
    await until(async () => (await askAt(admin, "/readyz")).ready, {
      what: "readiness",
      context: () => child.stderr.slice(-3000),
    });
    const { upstreams } = await askAt(admin, "/api/status");
    // deno-lint-ignore no-explicit-any -- the answer is tested against its schema elsewhere
    assertEquals(upstreams.map(({ backends: [{ state, check }] }: any) => [state, check.detail]), [
      ["up", "connected"],
      ["up", "connected"],
    ]);
    using over = await connect(await portOf(child));
    using through = await Deno.connect({ transport: "unix", path: front });
    assertEquals([await readLine(over), await readLine(through)], ["member", "socket"]);
  });
});

Deno.test("a DNS server that is named, and etcd with a password, need their permissions to begin with", async () => {
  await using it = new Case();
  const [dns, etcd, admin] = [freePort(), freePort(), freePort()];
  const password = it.folder.file("password");
  await Deno.writeTextFile(password, "secret\n");
  await it.write(
    discoveringConfig({
      discover: `{dns: {name: db.internal, port: 5432, server: "127.0.0.1:${dns}"}, ` +
        `etcd: {endpoints: ["http://127.0.0.1:${etcd}"], prefix: /db/, user: me, passwordFile: "${password}"}}`,
    }).replace('admin: {listen: "127.0.0.1:0"}', `admin: {listen: "127.0.0.1:${admin}"}`),
  );
  // The backends may be anywhere.
  assertEquals(await printedFlags(it.file), ["--allow-net", `--allow-read=${it.file},${password}`]);
  const required = await it.required();
  assertEquals(required, [
    `--allow-read=${it.file}`,
    `--allow-net=127.0.0.1:0,127.0.0.1:${admin},127.0.0.1:${dns},127.0.0.1:${etcd}`,
    `--allow-read=${password}`,
  ]);
  await it.refusedWithoutAny(required);
  // They need not be there: what fails then is not a permission.
  for (const flags of [await printedFlags(it.file), required]) {
    await it.runs({ flags }, async (child) => {
      for (const source of [`dns A db.internal at 127.0.0.1:${dns}`, "etcd /db/"]) {
        const { error } = await said(child, { message: "discovery failed, keeping the last set", source });
        assertStringIncludes(String(error), "Connection refused");
      }
    });
  }
});

Deno.test("backends of A records, and where they are checked, may be anywhere, but only on their ports", async () => {
  await using it = new Case();
  using member = new Member("member");
  const [dns, port] = [freePort(), freePort()];
  using _checked = new SecondPort(member.hostname, port);
  await it.write(discoveringConfig({
    discover: `{dns: {name: db.internal, port: 5432, server: "127.0.0.1:${dns}"}}`,
    backends: [member.address],
    upstream: `health: {type: tcp, port: ${port}}`,
  }));
  const known = `--allow-net=127.0.0.1:0,${member.address},${member.hostname}:${port},127.0.0.1:${dns}`;
  const flags = await printedFlags(it.file);
  assertEquals(flags, [`${known},0.0.0.0/0:5432,0.0.0.0/0:${port}`, `--allow-read=${it.file}`]);
  await it.runs({ flags }, async (child) => {
    using client = await connect(await portOf(child));
    assertEquals(await readLine(client), "member");
  });
  assertEquals((await it.required()).toSorted(), [`--allow-read=${it.file}`, known].toSorted());
});

Deno.test("where discovered backends may be is advice: one outside is as if it could not be reached", async () => {
  await using it = new Case();
  using inside = new Member("inside");
  using outside = new Member("outside");
  const list = it.folder.file("backends.yaml");
  await Deno.writeTextFile(list, JSON.stringify([outside.address]));
  await it.write(discoveringConfig({
    discover: `{file: "${list}"}`,
    backends: [`{address: "${inside.address}", backup: true}`],
  }));
  assertEquals(await printedFlags(it.file), ["--allow-net", `--allow-read=${it.file},${list}`]);
  await it.runs({ flags: await printedFlags(it.file) }, async (child) => {
    await said(child, { message: "backends changed", backends: 2 });
    using client = await connect(await portOf(child));
    assertEquals([await readLine(client), await exchange(client, "hello")], ["outside", "hello"]);
  });
  const required = await it.required();
  assertEquals(required[1], `--allow-net=127.0.0.1:0,${inside.address}`);
  await it.runs({ flags: required, denied: 1 }, async (child) => {
    await said(child, { message: "backends changed", backends: 2 });
    using client = await connect(await portOf(child));
    assertEquals(await readLine(client), "inside");
    const { error } = await said(child, { message: "cannot connect to backend", backend: outside.address });
    assertStringIncludes(String(error), `a permission is missing; add --allow-net=${outside.address}`);
  });
  assertEquals(outside.accepted, 1);
});
