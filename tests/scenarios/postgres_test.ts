import { assertEquals, assertGreater, assertMatch } from "@std/assert";
import { hashOutput, output } from "../support/child.ts";
import { testWith } from "../support/installed.ts";
import { type Culvert, startCulvert } from "../support/program.ts";
import { proxyConfig } from "../support/proxy_config.ts";
import { findPostgres, startPostgres } from "../support/servers.ts";

const COPY_OUT = "COPY (SELECT g, md5(g::text) FROM generate_series(1, 150000) g) TO STDOUT";
const COPY_IN = "DROP TABLE IF EXISTS copied; CREATE TABLE copied (g int, hash text); COPY copied FROM STDIN";
const POSTGRES = ["postgres", "initdb", "pgbench", "psql"].map((name) => findPostgres(name) ?? name);
const ENDED_WELL = ["client-closed", "backend-closed"];
const CLOSED = { message: "connection closed" };

testWith(POSTGRES, "psql and pgbench use PostgreSQL, and a COPY of 6 MB arrives unchanged", async (t) => {
  await using postgres = await startPostgres();
  await output("pgbench", [...to(postgres.port), "-i", "-q", "postgres"]);
  for (const minIdle of [0, 2]) {
    await t.step(`${minIdle} connections dialled ahead`, async () => {
      await using culvert = await startCulvert(
        proxyConfig({ backends: [postgres.address], upstream: `pool: {minIdle: ${minIdle}}` }),
        { idle: minIdle },
      );
      await useIt(culvert, postgres.port);
      await culvert.settled();
      // Both sides end at the same time, so either may be first; neither breaks the connection.
      const reasons = new Set(culvert.found(CLOSED).map(({ reason }) => reason));
      assertEquals([...reasons].filter((reason) => !ENDED_WELL.includes(String(reason))), []);
      await culvert.finish();
    });
  }
});

function to(port: number): string[] {
  return ["-h", "127.0.0.1", "-p", String(port), "-U", "culvert"];
}

async function useIt(culvert: Culvert, directPort: number): Promise<void> {
  const psql = (port: number, sql: string) => ["-XAtq", ...to(port), "-d", "postgres", "-c", sql];
  const port = culvert.port("main");

  for (let i = 0; i < 5; i++) {
    assertEquals(await output("psql", psql(port, `SELECT ${i} + 1`)), `${i + 1}\n`);
  }
  const direct = await hashOutput("psql", psql(directPort, COPY_OUT));
  assertGreater(direct.length, 5_500_000);
  assertEquals(await hashOutput("psql", psql(port, COPY_OUT)), direct);

  const rows = Array.from({ length: 50_000 }, (_, i) => `${i}\t${"x".repeat(i % 100)}\n`).join("");
  await output("psql", psql(port, COPY_IN), { input: rows });
  const summary = "SELECT count(*), sum(g), sum(length(hash)) FROM copied";
  assertEquals(await output("psql", psql(directPort, summary)), "50000|1249975000|2475000\n");

  const report = await output("pgbench", [...to(port), "-n", "-c", "4", "-t", "25", "-C", "postgres"]);
  assertMatch(report, /number of failed transactions: 0 /);
  assertMatch(report, /processed: 100\/100/);
}
