import { assertEquals, assertStringIncludes } from "@std/assert";
import { describeConfig } from "../../../src/config/describe.ts";
import { requiredPermissions } from "../../../src/config/required_permissions.ts";
import { ConfigReading } from "../../../src/config/reading.ts";
import { configWith, type ExtraKeys } from "../support.ts";

const OWN = "cert: s.pem, key: s.key";
const UNIX = 'listen: ["unix:a.sock", "unix:/run/b.sock"]';
const MIXED = 'listen: ["unix:a.sock", "127.0.0.1:1", "unix:/run/b.sock"]';
const PROXIED = "proxyProtocol: true\ntrusted: [127.0.0.1]";
const SOCKETS = "unix:/etc/culvert/a.sock, unix:/run/b.sock";
const LITERAL = "is compared as it stands: wildcards are for dns and uri only";

function warnings(keys: ExtraKeys): readonly string[] {
  return new ConfigReading(configWith(keys), { name: "proxy.yaml", folder: "/etc/culvert" }).warnings;
}

Deno.test("sockets that every user may connect to are a warning, and what check shows has mode and group", () => {
  const listen =
    'listen: [{address: "unix:a.sock", mode: "0666"}, {address: "unix:b.sock", mode: "0660", group: www}]';
  const every = "every user of this machine may connect to unix:/etc/culvert/a.sock: its mode is 0666";
  assertEquals(warnings({ service: listen }), [`service postgres: ${every}`]);
  const { config } = new ConfigReading(configWith({ service: listen }), {
    name: "c",
    folder: "/etc/culvert",
  });
  const shown = describeConfig(config!);
  assertStringIncludes(shown, "listen        unix:/etc/culvert/a.sock, mode 0666\n");
  assertStringIncludes(shown, "  unix:/etc/culvert/b.sock, mode 0660, group www\n");
  assertEquals(requiredPermissions(config!).read.includes("/etc/group"), true);
});

Deno.test("unix sockets whose clients are refused because trusted matches none of them are a warning", () => {
  assertEquals(warnings({ service: `${MIXED}\n${PROXIED}` }), [
    `service postgres: no client is allowed at ${SOCKETS}: trusted matches no client of a unix socket`,
  ]);
  assertEquals(warnings({ service: PROXIED }), []);
  assertEquals(warnings({ service: MIXED }), []);
});

Deno.test("unix sockets whose clients are refused because allow matches none of them are a warning", () => {
  const why =
    `service postgres: no client is allowed at ${SOCKETS}: allow matches no client of a unix socket`;
  assertEquals(warnings({ service: `${UNIX}\nallow: [127.0.0.1, "::/0"]` }), [why]);
  assertEquals(warnings({ service: `${MIXED}\nallow: [127.0.0.1]` }), [why]);
  assertEquals(warnings({ service: "allow: [127.0.0.1]" }), []);
  assertEquals(warnings({ service: `${UNIX}\ndeny: [127.0.0.1]` }), []);
  // That admits no client on any listener, and is an explicit setting.
  assertEquals(warnings({ service: `${UNIX}\nallow: []` }), []);
  // Once is enough. The client that a header names is checked elsewhere.
  assertEquals(warnings({ service: `${MIXED}\n${PROXIED}\nallow: [10.0.0.1]` }).length, 1);
});

Deno.test("a star in a rule that knows no wildcards is a warning", () => {
  const rules = 'allow: [{cn: "*"}, {ou: "ops-*"}, {cn: a}, {dns: "*.a.test"}, {uri: "urn:*"}]';
  const service = `tls: {${OWN}, clientAuth: {ca: c.pem, ${rules}}}`;
  assertEquals(warnings({ service }), [
    `service postgres: the rule {"cn": "*"} ${LITERAL}`,
    `service postgres: the rule {"ou": "ops-*"} ${LITERAL}`,
  ]);
  const upstream = 'tls: {allow: [{cn: "*.a.test"}]}';
  assertEquals(warnings({ upstream }), [`upstream db: the rule {"cn": "*.a.test"} ${LITERAL}`]);
  assertEquals(warnings({ service: `upstream: {backends: [a:1], ${upstream}}`, top: "log: {}" }), [
    `upstream postgres: the rule {"cn": "*.a.test"} ${LITERAL}`,
    "upstream db: no service uses it",
  ]);
  const admin = `admin: {listen: "127.0.0.1:9", ${service}}`;
  assertEquals(warnings({ top: admin }).map((line) => line.split(":")[0]), ["admin", "admin"]);
});

Deno.test("connections dialled ahead to backends that wait for a PROXY header are a warning", () => {
  for (const version of ["v1", "v2"]) {
    for (const tls of ["", "\ntls: {ca: c.pem}"]) {
      assertEquals(warnings({ upstream: `proxyProtocol: ${version}\npool: {minIdle: 1}${tls}` }), [
        "upstream db: pool.minIdle together with proxyProtocol: a connection dialled ahead sends no header before it has a " +
        "client, so a backend that waits for the PROXY header closes it at its own deadline, and it is dialled again",
      ]);
    }
    assertEquals(warnings({ upstream: `proxyProtocol: ${version}\npool: {minIdle: 0}` }), []);
  }
  assertEquals(warnings({ upstream: "proxyProtocol: none\npool: {minIdle: 1}" }), []);
});

Deno.test("an upstream that passes on TLVs where no client comes with any is a warning", () => {
  const upstream = "proxyProtocol: {version: v2, forwardTlvs: true}";
  assertEquals(warnings({ upstream }), [
    "upstream db: proxyProtocol.forwardTlvs does nothing: no service that leads there has proxyProtocol: true",
  ]);
  assertEquals(warnings({ upstream, service: PROXIED }), []);
  assertEquals(warnings({ upstream: "proxyProtocol: {version: v2, forwardTlvs: false}" }), []);
});
