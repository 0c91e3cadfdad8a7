import { assertEquals } from "@std/assert";
import { dial } from "../../../src/net/dial.ts";
import { CheckFailedError } from "../../../src/upstream/check/check.ts";
import { findProgram, testWith } from "../../support/installed.ts";
import { startOwn } from "./own_server.ts";
import { example, tryScript } from "./script_examples.ts";
import { startChecked } from "./check_fixture.ts";

const SMTP = "the example for SMTP is good for OpenSMTPD, which sees it take its leave";

async function checkOpenSmtpd(): Promise<void> {
  await using server = await startOwn({
    program: findProgram("smtpd")!,
    async args({ folder, port }) {
      const file = folder.file("smtpd.conf");
      const rules = 'action "out" relay\nmatch from local for any action "out"';
      await Deno.writeTextFile(file, `listen on 127.0.0.1 port ${port}\n${rules}\n`);
      return ["-d", "-f", file];
    },
  });
  assertEquals(await tryScript(example("SMTP"), server), "script done");
  assertEquals(/failed-command/.test(server.child.stderr), false, server.child.stderr);
}

// OpenSMTPD gives its parts users of their own, which only root may do.
if (Deno.uid() === 0) testWith(["smtpd"], SMTP, checkOpenSmtpd);
else Deno.test({ name: `${SMTP} (skipped: only root may start it)`, ignore: true, fn: checkOpenSmtpd });

Deno.test("a server that greets with a refusal is not fit for the example for SMTP", async () => {
  using backend = startChecked(async (connection) => {
    await connection.write(new TextEncoder().encode("421 too busy\r\n"));
    await connection.closeWrite();
  });
  const [, port] = backend.address.split(":");
  const seen = await tryScript(example("SMTP"), { port: Number(port), dial });
  const expected =
    'step 1, "220 ", was not met before the connection was closed: received "421 too busy\\r\\n"';
  assertEquals(seen, new CheckFailedError(expected).message);
});
