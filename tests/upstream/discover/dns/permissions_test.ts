import { assert, assertEquals } from "@std/assert";
import { run } from "../../../support/child.ts";
import { FakeDnsServer } from "./fixture.ts";

const PROGRAM = new URL("./program.ts", import.meta.url).pathname;
const FOUND =
  '[{"address":{"kind":"tcp","host":"10.0.0.1","port":5432},"weight":1,"maxConnections":0,"backup":false}]';

/** What the program says that may reach only these addresses, of a server that speaks TCP or UDP only. */
async function discovered(over: "tcp" | "udp", net: (server: string) => string): Promise<string> {
  const answers = ["db.internal 60 A 10.0.0.1"];
  await using server = new FakeDnsServer(() => ({ answers }), { tcp: over === "tcp", udp: over === "udp" });
  const { port } = server.address;
  const args = ["run", "--no-prompt", `--allow-net=${net(`127.0.0.1:${port}`)}`, PROGRAM, String(port)];
  const { stdout } = await run(Deno.execPath(), args);
  return stdout.trim();
}

Deno.test("a named server is asked over TCP with the permission to reach it alone", async () => {
  assertEquals(await discovered("tcp", (server) => server), FOUND);
});

Deno.test("UDP also needs the permission to bind a port, and the error names it", async () => {
  const refused = await discovered("udp", (server) => server);
  assert(refused.endsWith("over UDP: not permitted, add --allow-net=0.0.0.0:0"), refused);
  assertEquals(await discovered("udp", (server) => `${server},0.0.0.0:0`), FOUND);
});
