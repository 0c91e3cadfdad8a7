import { assertEquals } from "@std/assert";
import { endAtLast } from "../support/child.ts";
import { DENO, MAIN } from "../support/program.ts";
import { within } from "../support/wait.ts";

/** More than a pipe holds, so that a write of it ends when the program reads. */
const START_OF_CONFIG = new TextEncoder().encode("# a comment\n".repeat(20_000));

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  Deno.test(`${signal} ends a program at once that waits for its configuration from standard input`, async () => {
    const child = new Deno.Command(DENO, {
      args: ["run", "--allow-net=127.0.0.1", MAIN, "--config", "-"],
      stdin: "piped",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    await using _ended = endAtLast(child);
    const writer = child.stdin.getWriter();
    await within(writer.write(START_OF_CONFIG), { what: "the program to read" });
    child.kill(signal);
    const { code } = await within(child.status, { what: `the end of the program upon ${signal}` });
    assertEquals(code, 0);
    assertEquals(await new Response(child.stderr).text(), "");
    await writer.close().catch(() => {});
  });
}
