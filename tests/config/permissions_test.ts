import { assertEquals, assertStringIncludes } from "@std/assert";
import { formatPermissions, requiredPermissions } from "../../src/config/permissions.ts";
import { parseConfig } from "../../src/config/parse.ts";
import { configWith, parse } from "./support.ts";

Deno.test("the permissions are those of the listeners and the backends, each once", () => {
  const config = parse(
    configWith({
      upstream: 'backends: [{address: "10.0.0.1:1"}, {address: "db.internal:2"}, {address: "unix:db.sock"}]',
      service: 'listen: [":80", "127.0.0.1:0", "[::1]:81", "unix:/run/front.sock"]',
    }) + '  - {name: b, listen: ["[::2]:82"], upstream: {backends: [{address: "10.0.0.1:1"}]}}\n',
  );
  assertEquals(requiredPermissions(config), {
    net: [
      "[::]:80",
      "0.0.0.0:80",
      "127.0.0.1:0",
      "[::1]:81",
      "unix:/run/front.sock",
      "[::2]:82",
      "10.0.0.1:1",
      "db.internal:2",
      "unix:/etc/culvert/db.sock",
    ],
    read: ["/run/front.sock", "/etc/culvert/db.sock"],
    write: ["/run/front.sock", "/etc/culvert/db.sock"],
  });
});

Deno.test("permissions are written as flags", () => {
  assertEquals(
    formatPermissions({ net: ["[::]:80", "db.internal:1"], read: ["/run/a.sock"], write: [] }),
    "--allow-net=[::]:80,db.internal:1 --allow-read=/run/a.sock",
  );
  assertEquals(formatPermissions({ net: [], read: [], write: [] }), "");
});

Deno.test("what a shell would take apart is quoted", () => {
  const paths = ["/a b", "/$HOME", "/it's", "/*", "/é", "/a;b"];
  assertEquals(
    paths.map((path) => formatPermissions({ net: [], read: [path], write: [] })),
    [
      "'--allow-read=/a b'",
      "'--allow-read=/$HOME'",
      "'--allow-read=/it'\\''s'",
      "'--allow-read=/*'",
      "'--allow-read=/é'",
      "'--allow-read=/a;b'",
    ],
  );
});

/** Listens, then dials, as the proxy does; prints what went wrong. */
const PROBE = `
const { listen, dial } = JSON.parse(atob("PLAN"));
const options = (address) => address.kind === "unix"
  ? { transport: "unix", path: address.path }
  : { hostname: address.host || "::", port: address.port };
for (const address of listen) {
  const listener = Deno.listen(options(address));
  if (address.kind === "unix") Deno.chmodSync(address.path, 0o600);
  listener.close();
  if (address.host === "") Deno.listen({ ...options(address), hostname: "0.0.0.0" }).close();
}
for (const address of dial) (await Deno.connect(options(address))).close();
`;

/** Runs {@linkcode PROBE} with what a shell makes of the flags, and returns what it prints. */
async function probe(flags: string, plan: unknown): Promise<string> {
  const script = PROBE.replace("PLAN", btoa(JSON.stringify(plan)));
  const command = new Deno.Command("sh", {
    args: ["-c", `exec "$0" run --no-prompt --no-config --no-remote --ext=js ${flags} -`, Deno.execPath()],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
    env: { NO_COLOR: "1" },
  });
  const child = command.spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(script));
  await writer.close();
  const { code, stderr } = await child.output();
  return code === 0 ? "" : new TextDecoder().decode(stderr);
}

Deno.test("with exactly the flags, listening and dialling work; without one, they do not", async () => {
  const folder = await Deno.makeTempDir({ prefix: "culvert it's " });
  using backend4 = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  using backend6 = Deno.listen({ hostname: "::1", port: 0 });
  using backendUnix = Deno.listen({ transport: "unix", path: `${folder}/backend.sock` });
  const addresses = [`127.0.0.1:${backend4.addr.port}`, `"[::1]:${backend6.addr.port}"`, "unix:backend.sock"];
  assertEquals(backendUnix.addr.transport, "unix");
  const text = configWith({
    upstream: `backends: [${
      [...addresses, `localhost:${backend4.addr.port}`].map((address) => `{address: ${address}}`).join(", ")
    }]`,
    service: 'listen: ["127.0.0.1:0", "[::1]:0", ":0", "localhost:0", "unix:front.sock"]',
  });
  const config = parseConfig(text, { name: "proxy.yaml", folder });
  const need = requiredPermissions(config);
  const plan = {
    listen: config.services[0]?.listen,
    dial: config.upstreams.get("db")?.backends.map(({ address }) => address),
  };
  assertEquals(await probe(formatPermissions(need), plan), "");

  const without = need.net.map((name) => ({ ...need, net: need.net.filter((other) => other !== name) }));
  const narrower = [...without, { ...need, read: need.read.slice(1) }, {
    ...need,
    write: need.write.slice(1),
  }];
  // One after the other, since they all bind the same socket.
  for (const less of narrower) assertStringIncludes(await probe(formatPermissions(less), plan), "NotCapable");
  await Deno.remove(folder, { recursive: true });
});
