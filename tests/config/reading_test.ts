import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { ConfigError, formatProblem } from "../../src/config/problem/problem.ts";
import { ConfigReading } from "../../src/config/reading.ts";
import { configWith } from "./support.ts";

const OWN = "cert: s.pem, key: s.key";

function read(text: string): ConfigReading {
  return new ConfigReading(text, { name: "proxy.yaml", folder: "/etc/culvert" });
}

/** Where it finds TLS settings, and the files that they name. */
function sections(text: string): [path: string, name: string, ...paths: string[]][] {
  const { services, upstreams, etcd, admin } = read(text).tls;
  return [...services, ...upstreams, ...etcd, ...admin].map(({ path, name, tls }) => [
    path.join("."),
    name,
    ...JSON.stringify(tls).matchAll(/\/etc\/culvert\/([^"]+)/g).map(([, file]) => file!),
  ]);
}

const ALL = `version: 1
admin: {listen: "127.0.0.1:1", tls: {cert: a.pem, key: a.key}}
upstreams:
  db:
    discover: {etcd: {endpoints: ["https://a:1"], prefix: /x/, tls: {ca: e.pem}}}
    tls: {ca: u.pem}
services:
  - name: web
    listen: ["127.0.0.1:2"]
    tls: {${OWN}, clientAuth: {ca: c.pem, crl: c.crl, allow: [{any: true}]}}
    upstream: db
  - name: inner
    listen: ["127.0.0.1:3"]
    upstream:
      backends: [10.0.0.1:1]
      tls: {cert: i.pem, key: i.key}
`;

Deno.test("a reading knows every place that names files, upstreams that are written in place too", () => {
  assertEquals(sections(ALL), [
    ["services.0.tls", "web", "s.pem", "s.key", "c.pem", "c.crl"],
    ["upstreams.db.tls", "db", "u.pem"],
    ["services.1.upstream.tls", "inner", "i.pem", "i.key"],
    ["upstreams.db.discover.etcd.tls", "db", "e.pem"],
    ["admin.tls", "admin", "a.pem", "a.key"],
  ]);
});

Deno.test("of a bad configuration it knows those whose settings are good, or good but for an optional key", () => {
  const bad = ALL.replace("version: 1", "version: 2\nserices: []")
    .replace("ca: u.pem", "ca: u.pem, verfy: true, verify: 5")
    .replace("a.key", '""')
    .replace("name: inner", "nam: inner")
    .replace("[{any: true}]", "[]");
  assertEquals(sections(bad), [
    ["services.0.tls", "web", "s.pem", "s.key"],
    ["upstreams.db.tls", "db", "u.pem"],
    ["services.1.upstream.tls", "services[1]", "i.pem", "i.key"],
    ["upstreams.db.discover.etcd.tls", "db", "e.pem"],
  ]);
  for (
    const text of [
      "5",
      "[]",
      "services: {tls: {}}",
      "services: [5, {tls: 5}]\nupstreams: [{tls: {}}]\nadmin: x",
    ]
  ) {
    assertEquals(sections(text), []);
  }
});

Deno.test("what is wrong with files is reported among the rest, with the path resolved, and the line", () => {
  const reading = read(ALL.replace("upstream: db", "upstrem: db"));
  const problems = reading.problems([
    { path: ["upstreams", "db", "tls", "ca"], cannot: "use", why: "there is no certificate in it" },
    { path: ["services", 0, "tls", "cert"], cannot: "read", why: "no such file" },
    {
      path: ["services", 0, "listen", 0],
      value: "unix:/run/x.sock",
      cannot: "use",
      why: "there is no folder /run",
    },
    { path: ["services", 1, "upstream", "tls"], cannot: "use", why: "Cannot use /x.pem: it is no good" },
  ]);
  assertEquals(problems.map((problem) => formatProblem(problem, "f")), [
    'f:6: upstreams.db.tls.ca: cannot use "/etc/culvert/u.pem": there is no certificate in it',
    "f:8: services[0].upstream: missing; expected the name of an upstream, or an upstream written in place",
    'f:9: services[0].listen[0]: cannot use "unix:/run/x.sock": there is no folder /run',
    'f:10: services[0].tls.cert: cannot read "/etc/culvert/s.pem": no such file',
    'f:11: services[0].upstrem: unknown key; did you mean "upstream"?',
    "f:16: services[1].upstream.tls: cannot use /x.pem: it is no good",
  ]);
  assertEquals(problems[3], {
    kind: "bad_file",
    path: "services[0].tls.cert",
    value: 'cannot read "/etc/culvert/s.pem": no such file',
    expected: "a file that can be read",
    line: 10,
  });
  assertEquals(reading.config, undefined);
});

Deno.test("a text that is no YAML can't be read at all", () => {
  assertThrows(() => read("a: ["), ConfigError, "proxy.yaml:1: expected YAML");
});

Deno.test("what works but is hardly meant is a warning", () => {
  const none = configWith({ service: "proxyProtocol: true\ntrusted: [10.0.0.1]\nsni: {a.test: db}" });
  assertEquals(read(none).warnings, []);
  assertEquals(read(configWith({ service: "trusted: []" })).warnings, []);
  assertEquals(read(configWith({ service: "trusted: [10.0.0.1]" })).warnings, [
    "service postgres: trusted does nothing without proxyProtocol: true: a PROXY header would go on to the " +
    "backends as data",
  ]);
  const spare = configWith({}).replace("services:", "  spare: {backends: [10.0.0.9:1]}\nservices:");
  assertEquals(read(spare).warnings, ["upstream spare: no service uses it"]);
  const bySni = spare.replace("upstream: db", "sni: {a.test: db, b.test: spare}");
  assertEquals(read(bySni).warnings, []);
});

Deno.test("a configuration that is read in slices is the same as one that is read at once", async () => {
  for (const text of ["version: 1\nservices: []\nlimits: 1\n", configWith({}), '{"Apps": [{}]}']) {
    const options = { name: "test.yaml", folder: "/" };
    const [sliced, whole] = [await ConfigReading.read(text, options), new ConfigReading(text, options)];
    assertEquals(sliced.config, whole.config);
    assertEquals([sliced.problems(), sliced.warnings], [whole.problems(), whole.warnings]);
  }
  await assertRejects(() => ConfigReading.read("a: [", { name: "test.yaml", folder: "/" }), ConfigError);
});
