import { assertEquals, assertMatch } from "@std/assert";
import { output } from "../../support/child.ts";
import { testWith } from "../../support/installed.ts";
import { findPostgres } from "../../support/servers.ts";
import { type OwnServer, startOwn } from "./own_server.ts";
import { example, tryScript } from "./script_examples.ts";

const POSTGRES = ["postgres", "initdb"].map((name) => findPostgres(name) ?? name);
const ASKED = "PostgreSQL";
const LET_IN = "PostgreSQL, the whole login";
const AT_ALL = "PostgreSQL, whether it accepts connections";

/** PostgreSQL with this authentication method. */
async function start(method: string): Promise<OwnServer> {
  const uid = Deno.uid() === 0 ? Number(await output("id", ["-u", "postgres"])) : undefined;
  return await startOwn({
    program: findPostgres("postgres")!,
    uid,
    async args({ folder, port }) {
      const data = folder.file("data");
      const as = uid === undefined ? {} : { uid };
      if (uid !== undefined) await Deno.chown(folder.path, uid, null);
      const init = ["-D", data, "-U", "culvert", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C"];
      await output(findPostgres("initdb")!, init, as);
      await Deno.writeTextFile(`${data}/pg_hba.conf`, `host all all 127.0.0.1/32 ${method}\n`);
      const settings = ["listen_addresses=127.0.0.1", `port=${port}`, "fsync=off"];
      const sockets = `unix_socket_directories=${folder.path}`;
      return ["-D", data, ...[...settings, sockets].flatMap((setting) => ["-c", setting])];
    },
    ready: ({ stderr }) => stderr.includes("ready to accept connections"),
  });
}

/** How it ends those that are still being taken leave of when it stops. */
const AT_THE_STOP = "terminating connection due to administrator command";

/** What the server has noted, besides its own affairs. */
async function complaints(server: OwnServer): Promise<string[]> {
  server.child.signal("SIGINT");
  await server.child.exit;
  const noted = server.child.stderr.split("\n");
  return noted.filter((line) => /FATAL|ERROR|could not|unexpected/.test(line) && !line.includes(AT_THE_STOP));
}

testWith(
  POSTGRES,
  "the examples are good for a PostgreSQL that lets the user in, and its log is clean",
  async () => {
    await using server = await start("trust");
    for (const heading of [ASKED, LET_IN, AT_ALL]) {
      assertEquals(await tryScript(example(heading), server), "script done", heading);
    }
    assertEquals(await complaints(server), []);
  },
);

testWith(
  POSTGRES,
  "a PostgreSQL that asks for a password is up, also for a user that does not exist, and its log is clean",
  async () => {
    await using server = await start("scram-sha-256");
    assertEquals(await tryScript(example(ASKED), server), "script done");
    const unknown = { send: "\0\0\0\x28\0\x03\0\0user\0unknown\0database\0postgres\0\0" };
    assertEquals(await tryScript([unknown, ...example(ASKED).slice(1)], server), "script done");
    assertEquals(await tryScript(example(AT_ALL), server), "script done");
    assertEquals(await complaints(server), []);
  },
);

testWith(
  POSTGRES,
  "a PostgreSQL that does not let the user in is not fit, though its errors hold an R",
  async () => {
    await using server = await start("reject");
    for (const heading of [ASKED, LET_IN]) {
      const seen = await tryScript(example(heading), server);
      assertMatch(
        seen,
        /^step 2, "52 [08 ]+", was not met before the connection was closed: received "E.*FATAL/,
      );
    }
  },
);
