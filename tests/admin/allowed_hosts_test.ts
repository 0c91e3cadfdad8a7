import { assertEquals } from "@std/assert";
import { AllowedHosts } from "../../src/admin/allowed_hosts.ts";
import { parseAddress } from "../../src/net/address.ts";

interface Case {
  readonly address: string;
  readonly tls?: boolean;
  readonly names?: readonly string[];
  readonly good: readonly string[];
  readonly bad: readonly string[];
}

const CASES: Record<string, Case> = {
  "a loopback listener has its names with its port": {
    address: "127.0.0.1:9901",
    good: [
      "127.0.0.1:9901",
      "localhost:9901",
      "LOCALHOST:9901",
      "[::1]:9901",
      "[0:0::1]:9901",
      "[::ffff:127.0.0.1]:9901",
    ],
    bad: [
      "localhost",
      "localhost:80",
      "localhost:99010",
      "localhost:",
      ":9901",
      "evil.example:9901",
      "localhost.evil.example:9901",
      "localhost:9901, localhost:9901",
      "localhost:9901/",
      "a@localhost:9901",
      "::1:9901",
      "[::1:9901",
      "[localhost]:9901",
      "[127.0.0.1]:9901",
      "127.0.0.2:9901",
      "127.1:9901",
      "localhost:9901 ",
      "localhost.:9901",
    ],
  },
  "the default port may be omitted, any other port is required": {
    address: "127.0.0.2:80",
    good: ["127.0.0.2", "127.0.0.2:80", "localhost"],
    bad: ["127.0.0.2:443", "127.0.0.2:8080"],
  },
  "with TLS the default port is 443": {
    address: "127.0.0.1:443",
    tls: true,
    good: ["localhost", "localhost:443"],
    bad: ["localhost:80"],
  },
  "the name of a unix socket is localhost": {
    address: "unix:/run/admin.sock",
    good: ["localhost", "localhost:80"],
    bad: ["127.0.0.1", "run", "/run/admin.sock", "localhost:9901", "evil.example"],
  },
  "names of the certificate are valid with the port of the listener, a wildcard for one label": {
    address: ":9901",
    tls: true,
    names: ["Admin.example.org", "*.ops.example.org", "10.0.0.1", "2001:DB8::1", "*.org", "*"],
    good: [
      "admin.example.org:9901",
      "ADMIN.example.org:9901",
      "a.ops.example.org:9901",
      "10.0.0.1:9901",
      "[2001:db8::1]:9901",
      "localhost:9901",
    ],
    bad: [
      "admin.example.org",
      "ops.example.org:9901",
      "a.b.ops.example.org:9901",
      ".ops.example.org:9901",
      "example.org:9901",
      "10.0.0.2:9901",
      "x:9901",
    ],
  },
};

for (const [name, { address, tls = false, names = [], good, bad }] of Object.entries(CASES)) {
  Deno.test(name, () => {
    const hosts = new AllowedHosts({ address: parseAddress(address), tls, names: () => names });
    for (const host of good) assertEquals(hosts.isHost(host), true, host);
    for (const host of bad) assertEquals(hosts.isHost(host), false, host);
  });
}

Deno.test("an origin is compared by host and port, with the default port of its scheme", () => {
  const hosts = new AllowedHosts({ address: parseAddress("127.0.0.1:443"), tls: true });
  const good = ["https://localhost", "https://localhost:443", "http://localhost:443", "HTTPS://127.0.0.1"];
  for (const origin of good) assertEquals(hosts.isOrigin(origin), true, origin);
  for (
    const origin of [
      "",
      "null",
      "localhost:443",
      "http://localhost",
      "https://localhost/",
      "https://evil",
      "https://",
    ]
  ) assertEquals(hosts.isOrigin(origin), false, origin);
});

Deno.test("changed names apply to the next request", () => {
  let names = ["old.example.org"];
  const hosts = new AllowedHosts({ address: parseAddress(":443"), tls: true, names: () => names });
  assertEquals([hosts.isHost("old.example.org"), hosts.isHost("new.example.org")], [true, false]);
  names = ["new.example.org"];
  assertEquals([hosts.isHost("old.example.org"), hosts.isHost("new.example.org")], [false, true]);
});
