import { assertStringIncludes } from "@std/assert";
import { testWith } from "../../support/installed.ts";
import { runAtTerminal } from "../../support/terminal.ts";
import { FakeDnsServer } from "./dns/fixture.ts";

function pathOf(program: string): string {
  return new URL(`./${program}`, import.meta.url).pathname;
}

testWith(
  ["python3"],
  "at a terminal the runtime does not ask for permission to query name servers",
  async () => {
    const command = [
      Deno.execPath(),
      "run",
      "--config",
      new URL("../../../deno.json", import.meta.url).pathname,
      "--allow-net=127.0.0.1:1",
      pathOf("dns/system_resolve_program.ts"),
    ];
    const output = await runAtTerminal(command, "Allow?");
    const why = "the servers are not known; add --allow-read=/etc/resolv.conf, or --allow-net without a list";
    assertStringIncludes(output, `dns_unclear Cannot resolve "db.internal" (A): ${why}\r\ndone`);
  },
);

testWith(
  ["python3"],
  "at a terminal the runtime does not ask for permission to reach a configured name server, over TCP or UDP",
  async () => {
    await using server = new FakeDnsServer(() => ({ answers: [] }), { tcp: true, udp: true });
    const { port } = server.address;
    const command = [Deno.execPath(), "run", "--allow-net=0.0.0.0:0", pathOf("dns/program.ts"), String(port)];
    const output = await runAtTerminal(command, "Allow?");
    const flag = `--allow-net=127.0.0.1:${port}`;
    assertStringIncludes(
      output,
      `over TCP: Cannot dial "127.0.0.1:${port}": a permission is missing; add ${flag}`,
    );
    assertStringIncludes(output, `over UDP: not permitted, add ${flag}`);
  },
);
