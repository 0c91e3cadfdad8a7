import { assertEquals } from "@std/assert";
import { endAtLast } from "../support/child.ts";
import { DENO, MAIN } from "../support/program.ts";
import { until, within } from "../support/wait.ts";

const SIGTERM = 15;

/** Whether a process has something to do upon a signal. */
function catches(pid: number, signal: number): boolean {
  const caught = /^SigCgt:\s+([0-9a-f]+)$/m.exec(Deno.readTextFileSync(`/proc/${pid}/status`))![1]!;
  return (BigInt(`0x${caught}`) >> BigInt(signal - 1) & 1n) === 1n;
}

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  Deno.test(`${signal} ends a program at once that waits for its configuration from standard input`, async () => {
    const child = new Deno.Command(DENO, {
      args: ["run", "--allow-net=127.0.0.1", MAIN, "--config", "-"],
      stdin: "piped",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    await using _ended = endAtLast(child);
    await until(() => catches(child.pid, SIGTERM), { what: "the program to look after signals" });
    child.kill(signal);
    const { code } = await within(child.status, { what: `the end of the program upon ${signal}` });
    assertEquals(code, 0);
    assertEquals(await new Response(child.stderr).text(), "");
    await child.stdin.close().catch(() => {});
  });
}
