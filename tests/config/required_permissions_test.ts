import { assertEquals, assertStringIncludes } from "@std/assert";
import {
  credentialPaths,
  discoveryNeed,
  formatPermissions,
  type PermissionNeed,
  requiredPermissions,
} from "../../src/config/required_permissions.ts";
import { parseConfig } from "../../src/config/parse.ts";
import { libcPaths } from "../../src/upstream/check/half_open/libc_paths.ts";
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
  const paths = ["/a b", "/$HOME", "/it's", "/*", "/é", "/a;b", "/\x1b[2J'\\"];
  assertEquals(
    paths.map((path) => formatPermissions({ net: [], read: [path], write: [] })),
    [
      "'--allow-read=/a b'",
      "'--allow-read=/$HOME'",
      "'--allow-read=/it'\\''s'",
      "'--allow-read=/*'",
      "'--allow-read=/é'",
      "'--allow-read=/a;b'",
      "$'--allow-read=/\\u001b[2J\\'\\\\'",
    ],
  );
});

/** The permissions of a configuration with these keys of its upstream, and others besides. */
function needOf(upstream: string, top = ""): PermissionNeed {
  return requiredPermissions(parse(configWith({ upstream, top })));
}

/** The addresses that an upstream with these keys adds to what the least configuration needs. */
function netOf(upstream: string, top = ""): string[] {
  const least: readonly string[] = needOf("").net;
  return needOf(upstream, top).net.filter((name) => !least.includes(name));
}

Deno.test("backends are dialled where they are, and also where they are checked", () => {
  const backends = 'backends: [{address: "10.0.0.1:1"}, {address: "[::2]:2"}, {address: "db.internal:3"}]';
  const at = ["10.0.0.1:1", "[::2]:2", "db.internal:3"];
  assertEquals(netOf(`${backends}\nhealth: {type: tcp}`), at);
  const checked = ["10.0.0.1:9", "[::2]:9", "db.internal:9"];
  assertEquals(netOf(`${backends}\nhealth: {type: tcp, port: 9}`), [...at, ...checked]);
  assertEquals(netOf(`${backends}\nhealth: {type: tcp, port: 1}`).length, 5); // One is there already.
  // A half-open check asks for no permission of the network.
  assertEquals(netOf(`${backends}\nhealth: {type: half-open, port: 9}`), at);
});

Deno.test("half-open checks need the C library, and others do not", () => {
  assertEquals(needOf("health: {type: half-open}").ffi, libcPaths());
  for (const type of ["tcp", "none"]) assertEquals(needOf(`health: {type: ${type}}`).ffi, undefined, type);
  const need = { net: [], read: [], write: [] };
  const ffi = ["/lib/x86_64-linux-gnu/libc.so.6", "/lib64/libc.so.6"];
  assertEquals(formatPermissions({ ...need, ffi }), "--allow-ffi=/lib/x86_64-linux-gnu/libc.so.6");
  assertEquals(formatPermissions({ ...need, ffi: [] }), "");
});

Deno.test("discovery sources are permitted by the port of the URL or that of its scheme", () => {
  const dns = (server: string) => `discover: {dns: {name: db, port: 1, server: "${server}"}}`;
  assertEquals(netOf(dns("10.0.0.53:53")), ["10.0.0.53:53"]);
  assertEquals(netOf(dns("[::1]:5353")), ["[::1]:5353"]);
  assertEquals(netOf("discover: {dns: {name: db, port: 1}}"), []);
  const urls = ["http://127.0.0.1:2379", "https://e.internal", "http://e.internal", "https://[::1]:2379"];
  const etcd = `discover: {etcd: {endpoints: ${JSON.stringify(urls)}, prefix: /db/}}`;
  assertEquals(netOf(etcd), ["127.0.0.1:2379", "e.internal:443", "e.internal:80", "[::1]:2379"]);
});

Deno.test("files of discovery are read: the list, the password, the certificates", () => {
  const tls = "tls: {ca: ca.pem, cert: own.pem, key: own.key}";
  const etcd = `etcd: {endpoints: ["https://e:1"], prefix: /db/, user: u, passwordFile: secret, ${tls}}`;
  const need = needOf(`discover: {file: lists/db.yaml, ${etcd}}`);
  assertEquals(
    need.read.toSorted(),
    ["ca.pem", "lists/db.yaml", "own.key", "own.pem", "secret"].map((name) => `/etc/culvert/${name}`),
  );
  const config = parse(configWith({ upstream: `discover: {file: lists/db.yaml, ${etcd}}` }));
  assertEquals(credentialPaths(config).includes("/etc/culvert/lists/db.yaml"), false); // It watches itself.
  assertEquals(need.write, []);
});

Deno.test("the admin listener is bound, and its files are read", () => {
  assertEquals(netOf("", 'admin: {listen: "127.0.0.1:9901"}'), ["127.0.0.1:9901"]);
  const { net, read, write } = needOf("", 'admin: {listen: "unix:admin.sock"}');
  const path = "/etc/culvert/admin.sock";
  assertEquals([net.includes(`unix:${path}`), read, write], [true, [path], [path]]);
  const auth = "clientAuth: {ca: ca.pem, crl: ca.crl, allow: [{any: true}]}";
  const top = `admin: {listen: ":9901", tls: {cert: own.pem, key: own.key, ${auth}}}`;
  assertEquals(netOf("", top), ["[::]:9901", "0.0.0.0:9901"]);
  const files = ["own.pem", "own.key", "ca.pem", "ca.crl"].map((name) => `/etc/culvert/${name}`);
  assertEquals(needOf("", top).read, files);
  assertEquals(credentialPaths(parse(configWith({ top }))), files);
});

Deno.test("the files of trust domains, and of CAs that rules are bound to, are read and watched", () => {
  const domains = "trustDomains: {foo.test: {ca: foo.pem, crl: foo.crl}, bar.test: {ca: bar.pem}}";
  const auth = `clientAuth: {${domains}, allow: [{any: true, ca: rule.pem}, {all: [{cn: a}], ca: all.pem}]}`;
  const service = `tls: {cert: own.pem, key: own.key, ${auth}}`;
  const upstream = "tls: {ca: up.pem, allow: [{cn: db, ca: up-rule.pem}]}";
  const files = [
    "own.pem",
    "own.key",
    "foo.pem",
    "foo.crl",
    "bar.pem",
    "rule.pem",
    "all.pem",
    "up.pem",
    "up-rule.pem",
  ]
    .map((name) => `/etc/culvert/${name}`);
  const config = parse(configWith({ service, upstream }));
  assertEquals(credentialPaths(config), files);
  assertEquals(requiredPermissions(config).read, files);
});

Deno.test("discovery may use what is known of where it will lead, or all where nothing is", () => {
  const servers = ["10.0.0.53:53", "10.0.0.54:53"];
  const need = (upstream: string) => discoveryNeed(parse(configWith({ upstream })), servers);
  const read = ["/etc/resolv.conf"];
  assertEquals(need(""), { net: [], read: [] });
  assertEquals(need("health: {type: tcp, port: 9}"), { net: [], read: [] });
  assertEquals(need("discover: {dns: {name: db, port: 5432}}"), {
    net: [...servers, "0.0.0.0/0:5432"],
    read,
  });
  assertEquals(need("discover: {dns: {name: db, port: 5432}}\nhealth: {type: tcp, port: 9}").net, [
    ...servers,
    "0.0.0.0/0:5432",
    "0.0.0.0/0:9",
  ]);
  const halfOpen =
    "discover: {dns: {name: db, port: 5432}, within: [10.0.0.0/8]}\nhealth: {type: half-open, port: 9}";
  assertEquals(need(halfOpen).net, [...servers, "10.0.0.0/8:5432"]);
  const server = 'server: "10.0.0.1:53"';
  assertEquals(need(`discover: {dns: {name: db, port: 5432, ${server}}}`), {
    net: ["0.0.0.0/0:5432"],
    read: [],
  });
  assertEquals(need("discover: {dns: {name: db, type: AAAA, port: 1}}"), { net: "any", read });
  assertEquals(need("discover: {dns: {name: db, type: SRV}}"), { net: "any", read });
  assertEquals(need(`discover: {dns: {name: db, type: SRV, ${server}}}`), { net: "any", read: [] });
  for (const source of ["file: a.yaml", 'etcd: {endpoints: ["http://e:1"], prefix: /db/}']) {
    assertEquals(need(`discover: {${source}}`), { net: "any", read: [] });
    assertEquals(need(`discover: {${source}, dns: {name: db, port: 1}}`), { net: "any", read });
  }
});

Deno.test("several upstreams need what each of them needs, once", () => {
  const discover = "discover: {dns: {name: db, port: 1}}";
  const text = configWith({ upstream: discover }) +
    `  - {name: b, listen: [":82"], upstream: {${discover}, health: {type: half-open}}}\n`;
  const config = parse(text);
  assertEquals(discoveryNeed(config, ["10.0.0.53:53"]).net, ["10.0.0.53:53", "0.0.0.0/0:1"]);
  assertEquals(requiredPermissions(config).ffi, libcPaths());
  const any = parse(
    text.replace("upstream: {discover", "upstream: {backends: [c:1], discover").replace(
      "name: db, port: 1}}, health",
      "name: db, type: SRV}}, health",
    ),
  );
  assertEquals(discoveryNeed(any, ["10.0.0.53:53"]).net, "any");
});

Deno.test("all of the network is a flag without a value", () => {
  assertEquals(
    formatPermissions({ net: "any", read: ["/etc/resolv.conf"], write: [] }),
    "--allow-net --allow-read=/etc/resolv.conf",
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
