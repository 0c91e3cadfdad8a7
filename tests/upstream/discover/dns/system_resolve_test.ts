import { assertEquals, assertRejects } from "@std/assert";
import { DnsError } from "../../../../src/upstream/discover/errors.ts";
import {
  candidates,
  parseResolvConf,
  systemResolve,
} from "../../../../src/upstream/discover/dns/system_resolve.ts";
import { dial } from "../../../../src/net/dial.ts";
import { TemporaryFolder } from "../../../support/folder.ts";
import { settle } from "../../../support/settle.ts";
import { FakeDnsServer, type Reaction } from "./fixture.ts";

const never = new AbortController().signal;

/** Looks `db` up as a system with this configuration, whose servers all are one of the test's. */
async function lookUp(
  conf: string,
  { name = "db", react }: { name?: string; react: (name: string, server: string) => Reaction },
): Promise<{ found: string; asked: string[] }> {
  await using folder = new TemporaryFolder();
  const path = folder.file("resolv.conf");
  await Deno.writeTextFile(path, conf);
  let last = "";
  await using server = new FakeDnsServer(({ name }) => react(name, last));
  const resolve = systemResolve({
    path,
    timeoutMs: 5_000,
    dial: (address, signal) => {
      last = address.kind === "tcp" ? `${address.host}:${address.port}` : "";
      return dial(server.address, signal);
    },
  });
  try {
    const { records } = await resolve({ name, type: "A" }, never);
    return { found: records.map(({ name }) => name).join(" "), asked: server.asked };
  } catch (error) {
    return { found: (error as DnsError).code, asked: server.asked };
  } finally {
    await settle();
  }
}

Deno.test("of resolv.conf, servers, search list and ndots are read, and the rest is passed over", () => {
  const text = `# comment
    nameserver 10.0.0.53 ; comment
nameserver fd00::53
options timeout:1 ndots:5 rotate
domain gone.example
search default.svc.cluster.local  svc.cluster.local. .
nonsense
nameserver`;
  assertEquals(parseResolvConf(text), {
    servers: [{ kind: "tcp", host: "10.0.0.53", port: 53 }, { kind: "tcp", host: "fd00::53", port: 53 }],
    search: ["default.svc.cluster.local", "svc.cluster.local"],
    ndots: 5,
  });
  const none = { servers: [{ kind: "tcp", host: "127.0.0.1", port: 53 }], search: [], ndots: 1 } as const;
  assertEquals(parseResolvConf(""), none);
  const many = parseResolvConf("nameserver 10.0.0.1\n".repeat(9) + "options ndots:99");
  assertEquals([many.servers.length, many.ndots], [3, 15]);
});

Deno.test("a short name is tried with the search list first, a longer one as it is, a complete one only so", () => {
  const settings = { servers: [], search: ["x", "y"], ndots: 2 };
  assertEquals(candidates("a.b", settings), ["a.b.x", "a.b.y", "a.b"]);
  assertEquals(candidates("a.b.c", settings), ["a.b.c", "a.b.c.x", "a.b.c.y"]);
  assertEquals(candidates("a.", settings), ["a."]);
});

Deno.test("the first name of the search list that has records counts", async () => {
  const conf = "nameserver 10.0.0.53\nsearch x y z";
  const react = (name: string) => name === "db.y" ? { answers: ["db.y 5 A 10.0.0.1"] } : { rcode: 3 };
  assertEquals(await lookUp(conf, { react }), { found: "db.y", asked: ["tcp db.x A", "tcp db.y A"] });
});

Deno.test("nothing found is an empty answer, unless a server failed on the way", async () => {
  const conf = "nameserver 127.0.0.1\nsearch x";
  const empty = await lookUp(conf, { react: () => ({ rcode: 3 }) });
  assertEquals(empty, { found: "", asked: ["tcp db.x A", "tcp db A"] });
  const failed = await lookUp(conf, { react: (name) => ({ rcode: name === "db.x" ? 2 : 3 }) });
  assertEquals(failed.found, "dns_refused");
  const answers = ["db 5 A 10.0.0.1"];
  const found = await lookUp(conf, { react: (name) => name === "db.x" ? { rcode: 2 } : { answers } });
  assertEquals(found.found, "db");
});

Deno.test("a server that fails is followed by the next one", async () => {
  const conf = "nameserver 127.0.0.1\nnameserver 127.0.0.2\nnameserver 127.0.0.3";
  const servers: string[] = [];
  const { found } = await lookUp(conf, {
    react: (_, server) => {
      servers.push(server);
      return server === "127.0.0.3:53" ? { answers: ["db 5 A 10.0.0.1"] } : { rcode: 2 };
    },
  });
  assertEquals([found, servers], ["db", ["127.0.0.1:53", "127.0.0.2:53", "127.0.0.3:53"]]);
});

Deno.test({
  name: "without the permission to read resolv.conf, what the runtime can't tell is an error",
  permissions: { read: false, net: ["0.0.0.0:0"] },
  async fn() {
    const error = await assertRejects(
      () => systemResolve()({ name: "db.invalid", type: "A" }, never),
      DnsError,
    );
    assertEquals(error.code, "dns_unclear");
    assertEquals(error.message.startsWith(`Cannot resolve "db.invalid" (A): `), true);
  },
});
