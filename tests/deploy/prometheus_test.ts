import { assert, assertEquals, assertGreater } from "@std/assert";
import { createAuthority } from "../../src/tls/authority/authority.ts";
import { ADMIN_HEAD } from "../support/admin_client.ts";
import { Child, output } from "../support/child.ts";
import { freePort, TemporaryFolder } from "../support/folder.ts";
import { testWith } from "../support/installed.ts";
import { connect, greet, readLine, startBackend } from "../support/peers.ts";
import { type Culvert, startCulvert } from "../support/program.ts";
import { TlsFiles } from "../support/tls_files.ts";
import { until } from "../support/wait.ts";

const DEPLOY = new URL("../../deploy/", import.meta.url);
const RULES = new URL("prometheus/alerts.yaml", DEPLOY).pathname;
const RULE_TESTS = new URL("prometheus/alerts_test.yaml", DEPLOY).pathname;

testWith(["promtool"], "the alerts fire for what they are for, and not otherwise", async () => {
  await output("promtool", ["check", "rules", RULES]);
  await output("promtool", ["test", "rules", RULE_TESTS]);
  const names = [...Deno.readTextFileSync(RULES).matchAll(/- alert: (\w+)/g)].map(([, name]) => name!);
  const tested = Deno.readTextFileSync(RULE_TESTS);
  assertGreater(names.length, 10);
  for (const name of names) {
    for (const how of ["fired", "not fired"]) assert(tested.includes(`- name: ${name}, ${how}\n`), name);
  }
});

/** A panel of a dashboard, as far as it matters here. */
interface Panel {
  readonly title: string;
  readonly targets?: readonly { readonly expr: string }[];
}

/** The queries of the dashboard, for one instance and a short time. */
function queries(): { title: string; expr: string }[] {
  const { panels } = JSON.parse(Deno.readTextFileSync(new URL("grafana/culvert.json", DEPLOY)));
  return (panels as Panel[]).flatMap(({ title, targets = [] }) =>
    targets.map(({ expr }) => ({
      title,
      expr: expr.replaceAll("$instance", ".*").replaceAll("$__rate_interval", "20s"),
    }))
  );
}

/** A configuration that has a value for every metric of the dashboard. */
async function fullConfig(files: TlsFiles, { live, dead }: { live: string; dead: string }): Promise<string> {
  const ca = await createAuthority();
  const own = files.putOwn("server", await ca.issueServer({ names: ["localhost"] }));
  const trust = files.put("ca.pem", ca.certPem);
  const auth = `ca: ${trust}, crl: ${files.put("ca.crl", ca.crl())}, allow: [any: true]`;
  const list = files.put("backends.yaml", `- ${live}\n`);
  return `${ADMIN_HEAD}upstreams:
  main:
    balance: first
    outlier: {failures: 1, maxEjected: 100%}
    backends: ["${dead}", {address: "${live}", maxConnections: 10}]
  checked: {backends: ["${live}"], health: {type: tcp, interval: 200ms}}
  found: {discover: {file: ${list}}}
services:
  - {name: main, listen: ["127.0.0.1:0"], upstream: main}
  - {name: denied, listen: ["127.0.0.1:0"], deny: ["127.0.0.0/8"], upstream: found}
  - {name: web, protocol: http, listen: ["127.0.0.1:0"], routes: [{match: {path: /}, respond: {status: 204}}]}
  - name: tls
    listen: ["127.0.0.1:0"]
    tls: {cert: ${own.cert}, key: ${own.key}, clientAuth: {${auth}}}
    upstream: checked
`;
}

/** Makes a connection, a refused one and a request. */
async function useOnce(culvert: Culvert): Promise<void> {
  using client = await connect(culvert.port("main"));
  await readLine(client);
  using refused = await connect(culvert.port("denied"));
  await refused.read(new Uint8Array(1)).catch(() => null);
  using web = await connect(culvert.port("web"));
  await web.write(new TextEncoder().encode("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"));
  await web.read(new Uint8Array(1024));
}

testWith(["prometheus"], "every query of the dashboard finds something in a real Prometheus", async () => {
  await using files = new TlsFiles();
  await using folder = new TemporaryFolder();
  using backend = startBackend(greet("a"));
  const config = await fullConfig(files, { live: backend.address, dead: `127.0.0.1:${freePort()}` });
  await using culvert = await startCulvert(config);
  const admin = String((await culvert.waitFor({ message: "admin API" })).listener);
  await Deno.writeTextFile(
    folder.file("prometheus.yml"),
    `global: {scrape_interval: 250ms}\nrule_files: [${RULES}]\nscrape_configs: [{job_name: culvert, static_configs: [{targets: ["${admin}"]}]}]\n`,
  );
  const listen = `127.0.0.1:${freePort()}`;
  await using _prometheus = new Child({
    program: "prometheus",
    args: [
      `--config.file=${folder.file("prometheus.yml")}`,
      `--storage.tsdb.path=${folder.file("data")}`,
      `--web.listen-address=${listen}`,
    ],
  });
  const ask = async (expr: string): Promise<number> => {
    const response = await fetch(`http://${listen}/api/v1/query?query=${encodeURIComponent(expr)}`);
    const { status, data, error } = await response.json();
    assertEquals([expr, status, error], [expr, "success", undefined]);
    return data.result.length;
  };
  await until(
    () => fetch(`http://${listen}/-/ready`).then(async (it) => (await it.text(), it.ok), () => false),
    {
      what: "Prometheus",
    },
  );
  let missing = queries();
  assertGreater(missing.length, 30);
  await until(async () => {
    await useOnce(culvert);
    const left: typeof missing = [];
    for (const query of missing) if (await ask(query.expr) === 0) left.push(query);
    return (missing = left).length === 0;
  }, { what: "a value for every query", timeoutMs: 60_000, context: () => JSON.stringify(missing) });
  culvert.signal("SIGTERM");
  assertEquals(await culvert.exit, 0);
});
