import { assert, assertEquals } from "@std/assert";
import { loadCredentials } from "../../src/app/credentials/credentials.ts";
import { runPolicyTests } from "../../src/app/explain/policy_tests.ts";
import { runCerts } from "../../src/cli/certs.ts";
import { INIT_KINDS, starterFile } from "../../src/cli/init.ts";
import { ConfigReading } from "../../src/config/reading.ts";
import { TemporaryFolder } from "../support/folder.ts";

Deno.test("every starter file is a good configuration whose policy tests pass, with the files of culvert certs", async () => {
  await using folder = new TemporaryFolder();
  const name = "db.example.org";
  await runCerts([folder.file("certs"), "--name", name], { print: () => {} });
  for (const kind of INIT_KINDS) {
    const reading = new ConfigReading(starterFile(kind), { name: kind, folder: folder.path });
    assertEquals([kind, reading.problems()], [kind, []]);
    assertEquals([kind, reading.warnings], [kind, []]);
    const { count, faults } = await runPolicyTests(reading, await loadCredentials(reading, kind));
    assertEquals([kind, faults], [kind, []]);
    assert(count > 0);
  }
});

Deno.test("what is commented out in a starter file is good too", async () => {
  await using folder = new TemporaryFolder();
  await runCerts([folder.file("certs")], { print: () => {} });
  for (const kind of INIT_KINDS) {
    const text = starterFile(kind).replaceAll(/^( +)# (?=[-\w]+[: ])/gm, "$1").replaceAll(
      "http://www",
      "https://www",
    );
    const reading = new ConfigReading(text, { name: kind, folder: folder.path });
    assertEquals([kind, reading.problems()], [kind, []]);
  }
});
