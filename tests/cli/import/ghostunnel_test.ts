import { assertEquals } from "@std/assert";
import { importGhostunnel } from "../../../src/cli/import/ghostunnel.ts";
import { finish } from "../../../src/cli/import_command.ts";

Deno.test("the command lines of ghostunnel are carried over", () => {
  const server = importGhostunnel(
    "ghostunnel server --listen 0.0.0.0:8443 --target localhost:8080 --cert s.pem --key=s.key --cacert ca.pem " +
      "--allow-cn client --allow-uri 'spiffe://example.org/*' --connect-timeout 5s --proxy-protocol",
  );
  assertEquals(server.notes, []);
  assertEquals(server.services, [{
    name: "ghostunnel",
    listen: ["0.0.0.0:8443"],
    tls: {
      ...{ cert: "s.pem", key: "s.key" },
      clientAuth: { ca: "ca.pem", allow: [{ cn: "client" }, { uri: "spiffe://example.org/*" }] },
    },
    timeouts: { connect: "5s" },
    upstream: "target",
  }]);
  assertEquals(server.upstreams, { target: { backends: ["localhost:8080"], proxyProtocol: "v2" } });
  assertEquals(finish(server, "ghostunnel").isComplete, true);

  const client = importGhostunnel(
    "client --listen unix:/run/g.sock --target db.example.org:8443 --cert c.pem --key c.key --cacert ca.pem " +
      "--override-server-name db --verify-dns db.example.org",
  );
  assertEquals(client.notes.length, 1); // The name is not checked besides the rule.
  assertEquals(client.upstreams.target!.tls, {
    ...{ ca: "ca.pem", cert: "c.pem", key: "c.key", serverName: "db" },
    allow: [{ dns: "db.example.org" }],
  });
  assertEquals(finish(client, "ghostunnel").isComplete, false);

  const open = importGhostunnel(
    "ghostunnel server --listen :1 --target 127.0.0.1:2 --cert a --key b --disable-authentication",
  );
  assertEquals([open.notes, open.services[0]!.tls], [[], { cert: "a", key: "b" }]);
  const all = importGhostunnel("server --listen :1 --target :2 --cert a --key b --cacert c --allow-all");
  assertEquals((all.services[0]!.tls as { clientAuth: unknown }).clientAuth, {
    ca: "c",
    allow: [{ any: true }],
  });
});

Deno.test("what ghostunnel has and Culvert has not is told, and never guessed", () => {
  const cases: [string, string][] = [
    ["server --listen :1 --target :2 --keystore a.p12 --cacert c --allow-all", "--cert: a certificate"],
    [
      "server --listen :1 --target :2 --cert a --key b --cacert c --allow-all --allow-policy p.rego",
      "--allow-policy p.rego",
    ],
    ["server --listen :1 --target :2 --cert a --key b --cacert c", "--allow-…: a rule is needed"],
    ["server --listen :1 --target :2 --cert a --key b --allow-all", "--cacert: the CAs"],
    ["server --target :2", "--listen and --target are needed"],
    ["listen", "command line: expected"],
    ["client --listen :1 --target a:2 --cert a --key b --status localhost:6060", "--status localhost:6060"],
  ];
  for (const [line, note] of cases) {
    const imported = importGhostunnel(line);
    assertEquals([line, imported.notes.some((each) => each.includes(note))], [line, true]);
    const { isComplete, text } = finish(imported, "ghostunnel");
    assertEquals([line, isComplete, text.includes(note)], [line, false, true]);
  }
});
