import { assert, assertEquals, assertGreater, assertGreaterOrEqual, assertLess } from "@std/assert";
import { ADMIN_HEAD, AdminClient } from "../support/admin_client.ts";
import { callInVain } from "../support/calls.ts";
import { finishChecked, restingDescriptors } from "../support/checked.ts";
import { run } from "../support/child.ts";
import { enters } from "../support/enters.ts";
import { freePort } from "../support/folder.ts";
import { testWith } from "../support/installed.ts";
import { Member } from "../support/member.ts";
import { connect, echo, exchange, greet, readLine, startBackend } from "../support/peers.ts";
import { type Culvert, startCulvert } from "../support/program.ts";
import { proxyConfig } from "../support/proxy_config.ts";
import { scrape, type Series } from "../support/scrape.ts";
import { AccessLines, tlsConfig, TlsFiles } from "../support/tls_files.ts";
import { until } from "../support/wait.ts";
import { makePki } from "../tls/tls_fixture.ts";

/** The value of a metric of the service `main`, and of what else its labels are. */
function ofService(series: Series, name: string, label = ""): number | undefined {
  return series.get(`culvert_service_${name}{${label}service="main"}`);
}

/** Resolves to the first scrape in which a series has this value. */
async function scrapeUntil(culvert: Culvert, name: string, value: number): Promise<Series> {
  let series: Series = new Map();
  await until(async () => (series = await scrape(culvert)).get(name) === value, {
    what: `${name} to be ${value}`,
    context: () => `it is ${series.get(name)}`,
  });
  return series;
}

Deno.test("connections that come, talk, are refused and end move the counters by as much", async () => {
  using backend = startBackend(greet("a"));
  const config = proxyConfig({ backends: [backend.address], service: "maxConnections: 1", head: ADMIN_HEAD });
  await using culvert = await startCulvert(config);
  const before = await scrape(culvert);
  const counts = (series: Series) => [
    ofService(series, "active_connections"),
    ofService(series, "connections_total"),
    ofService(series, "rejected_connections_total", 'reason="refused-by-limit",'),
    ofService(series, "ended_connections_total", 'reason="client-closed",'),
    ofService(series, "bytes_total", 'direction="up",'),
    ofService(series, "bytes_total", 'direction="down",'),
    ofService(series, "connection_duration_seconds_count"),
    ofService(series, "connect_duration_seconds_count"),
    series.get(`culvert_backend_active_connections{upstream="main",backend="${backend.address}"}`),
    series.get(`culvert_backend_connections_total{upstream="main",backend="${backend.address}"}`),
  ];
  assertEquals(counts(before), [0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
  assertEquals([before.get("culvert_ready"), before.get("culvert_config_generation")], [1, 1]);
  assertLess(Math.abs(before.get("process_start_time_seconds")! - Date.now() / 1000), 120);
  assertGreater(before.get("process_resident_memory_bytes")!, 10_000_000);

  const connectedAt = Date.now();
  const client = await connect(culvert.port("main"));
  assertEquals([await readLine(client), await exchange(client, "hello")], ["a", "hello"]);
  assertEquals(counts(await scrape(culvert)), [1, 1, 0, 0, 5, 7, 0, 1, 1, 1]);
  await callInVain(culvert);
  await callInVain(culvert);
  assertEquals(counts(await scrape(culvert)), [1, 1, 2, 0, 5, 7, 0, 1, 1, 1]);
  client.close();
  const after = await scrapeUntil(culvert, 'culvert_service_active_connections{service="main"}', 0);
  assertEquals(counts(after), [0, 1, 2, 1, 5, 7, 1, 1, 0, 1]);

  const lived = ofService(after, "connection_duration_seconds_sum")!;
  const connecting = ofService(after, "connect_duration_seconds_sum")!;
  assertGreaterOrEqual((Date.now() - connectedAt + 1) / 1000, lived);
  assert(connecting > 0 && connecting < lived, `${connecting} of ${lived}`);
  assertEquals(ofService(after, "connect_duration_seconds_bucket", 'le="+Inf",'), 1);
  await culvert.finish();
});

Deno.test("a backend that goes down, comes back and is drained by hand shows", async () => {
  using member = new Member("a");
  const health =
    "health: {type: tcp, interval: 100ms, timeout: 60s, rise: 1, fall: 1}, outlier: {failures: 0}";
  await using culvert = await startCulvert(
    proxyConfig({ backends: [member.address], upstream: health, head: ADMIN_HEAD }),
  );
  using admin = new AdminClient(culvert);
  await admin.ready();
  const resting = await restingDescriptors(culvert);
  const name = (metric: string) => `culvert_backend_${metric}{upstream="main",backend="${member.address}"}`;
  const state = (series: Series) => [
    series.get(name("up")),
    series.get(name("drained")),
    series.get(name("check_ok")),
    series.get(name("check_flips_total")),
    series.get('culvert_upstream_available_backends{upstream="main"}'),
    series.get("culvert_ready"),
  ];
  const up = await scrape(culvert);
  assertEquals(state(up), [1, 0, 1, 0, 1, 1]);

  member.stop();
  const down = await scrapeUntil(culvert, name("up"), 0);
  assertEquals(state(down), [0, 0, 0, 1, 0, 0]);
  assertEquals(down.get('culvert_upstream_backends{state="down",upstream="main"}'), 1);
  assertGreater(down.get(name("check_timestamp_seconds"))!, up.get(name("check_timestamp_seconds"))!);
  await callInVain(culvert);
  const ended = 'culvert_service_ended_connections_total{reason="backends-down",service="main"}';
  assertEquals([down.get(ended), (await scrapeUntil(culvert, ended, 1)).get(ended)], [0, 1]);
  const failed = await scrape(culvert);
  assertEquals([
    ofService(failed, "connection_duration_seconds_count"),
    ofService(failed, "connect_duration_seconds_count"),
  ], [1, 0]);

  await member.start();
  assertEquals(state(await scrapeUntil(culvert, name("up"), 1)), [1, 0, 1, 2, 1, 1]);
  await admin.set(member.address, "drain");
  assertEquals(state(await scrape(culvert)), [0, 1, 1, 2, 0, 0]);
  await finishChecked(culvert, resting);
});

Deno.test("tries that fail and an ejection show", async () => {
  using member = new Member("a");
  member.stop();
  const upstream = "retries: 0, outlier: {failures: 2, ejection: 60s, maxEjected: 100%}";
  await using culvert = await startCulvert(
    proxyConfig({ backends: [member.address], upstream, head: ADMIN_HEAD }),
  );
  for (let i = 0; i < 2; i++) await callInVain(culvert);
  const ended = 'culvert_service_ended_connections_total{reason="connect-failed",service="main"}';
  const series = await scrapeUntil(culvert, ended, 2);
  const labels = `{upstream="main",backend="${member.address}"}`;
  assertEquals(series.get(`culvert_backend_connect_failures_total${labels}`), 2);
  assertEquals([series.get(`culvert_backend_up${labels}`), series.get("culvert_ready")], [0, 0]);
  const ejectedUntil = series.get(`culvert_backend_ejected_until_timestamp_seconds${labels}`)!;
  assertLess(Math.abs(ejectedUntil - 60 - Date.now() / 1000), 60);
  await culvert.finish();
});

Deno.test("a reload that is refused shows, and so does the next good one", async () => {
  using backend = startBackend(greet("a"));
  const config = proxyConfig({ backends: [backend.address], head: ADMIN_HEAD });
  await using culvert = await startCulvert(config);
  const reloads = (series: Series) => [
    series.get("culvert_config_last_reload_successful"),
    series.get("culvert_config_generation"),
  ];
  const before = await scrape(culvert);
  assertEquals(reloads(before), [1, 1]);
  await culvert.write("nonsense");
  culvert.signal("SIGHUP");
  const refused = await scrapeUntil(culvert, "culvert_config_last_reload_successful", 0);
  assertEquals(reloads(refused), [0, 1]);
  const time = (series: Series, which: string) => series.get(`culvert_config_${which}_timestamp_seconds`)!;
  assertGreater(time(refused, "last_reload"), time(before, "last_reload"));
  assertEquals(time(refused, "applied"), time(before, "applied"));
  await culvert.reload(config);
  assertEquals(reloads(await scrape(culvert)), [1, 2]);
  culvert.signal("SIGTERM");
  assertEquals(await culvert.exit, 0);
});

Deno.test("a CRL that expires while the program runs shows, and so do the clients that it keeps out", async () => {
  const pki = await makePki();
  const { ca, server } = pki;
  await using files = new TlsFiles();
  using backend = startBackend(echo);
  // Whole seconds, as CRLs have them; far enough away for a client to come in before.
  const nextUpdate = new Date(Math.ceil(Date.now() / 1000 + 3) * 1000);
  const crl = files.put("ca.crl", ca.crl({ nextUpdate }));
  const clientAuth = { ca: files.put("ca.pem", ca.certPem), crl, allow: [{ any: true }] };
  const own = files.putOwn("server", server);
  const config = tlsConfig({ backends: [backend.address], tls: { ...own, clientAuth }, head: ADMIN_HEAD });
  await using culvert = await startCulvert(config, { readable: [files.folder.path] });
  const lines = new AccessLines(culvert);
  const usable = `culvert_crl_usable{path="${crl}",used_by="service main"}`;
  const due = `culvert_crl_next_update_timestamp_seconds{path="${crl}",issuer="CN=Test CA"}`;
  const refused = (series: Series, reason: string) =>
    ofService(series, "rejected_connections_total", `reason="${reason}",`);
  const good = await scrape(culvert);
  assertEquals(good.get(due), nextUpdate.getTime() / 1000);
  const expiry = `culvert_certificate_expiry_timestamp_seconds{path="${own.cert}",used_by="service main"}`;
  assertGreater(good.get(expiry)!, Date.now() / 1000);

  const expired = await scrapeUntil(culvert, usable, 0);
  assertGreaterOrEqual(Date.now(), nextUpdate.getTime());
  assertEquals([expired.get("culvert_ready"), expired.get(due)], [0, nextUpdate.getTime() / 1000]);
  assertEquals([await enters(culvert, pki), await lines.reason()], [false, "tls-crl-expired"]);
  assertEquals(refused(await scrape(culvert), "tls-crl-expired"), 1);

  files.put("ca.crl", "garbage");
  await culvert.waitFor({ message: "reloaded", why: `${crl} has changed` }, 1);
  const unreadable = await scrape(culvert);
  assertEquals([unreadable.get(usable), unreadable.get(due)], [0, undefined]);
  assertEquals([await enters(culvert, pki), await lines.reason()], [false, "tls-crl-unreadable"]);

  files.put("ca.crl", ca.crl());
  await culvert.waitFor({ message: "reloaded", why: `${crl} has changed` }, 2);
  assertEquals([await enters(culvert, pki), await lines.reason()], [true, "client-closed"]);
  const again = await scrape(culvert);
  assertEquals([again.get(usable), again.get("culvert_ready")], [1, 1]);
  assertEquals(["tls-crl-expired", "tls-crl-unreadable"].map((reason) => refused(again, reason)), [1, 1]);
  await culvert.settled();
  culvert.signal("SIGTERM");
  assertEquals(await culvert.exit, 0);
});

testWith(["promtool", "curl"], "promtool takes what curl gets from the program", async () => {
  using backend = startBackend(greet("a"));
  const config = proxyConfig({ backends: [backend.address], head: ADMIN_HEAD });
  await using culvert = await startCulvert(config);
  const { listener } = culvert.found({ message: "admin API" }).at(-1)!;
  const { stdout: text } = await run("curl", ["-sS", "-f", `http://${listener}/metrics`]);
  const { code, stdout, stderr } = await run("promtool", ["check", "metrics"], { input: text });
  assertEquals([code, stdout, stderr], [0, "", ""]);
  const { stdout: head } = await run("curl", ["-sS", "-f", "-I", `http://${listener}/metrics`]);
  assert(head.includes("Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"), head);
  await culvert.finish();
});

Deno.test("ejections, further tries, checks, refused reloads and the event loop are counted", async () => {
  using backend = startBackend(greet("a"));
  const dead = `127.0.0.1:${freePort()}`;
  const upstream = "balance: first, outlier: {failures: 2, maxEjected: 100%}";
  const checked = `  checked: {backends: ["${backend.address}"], health: {type: tcp, interval: 100ms}}\n`;
  const config = proxyConfig({ backends: [dead, backend.address], upstream, head: ADMIN_HEAD })
    .replace("services:\n", `${checked}services:\n`);
  await using culvert = await startCulvert(config);
  for (let i = 0; i < 3; i++) {
    using client = await connect(culvert.port("main"));
    assertEquals(await readLine(client), "a");
  }
  await culvert.write("version: 2\n");
  culvert.signal("SIGHUP");
  await culvert.waitFor({ level: "ERROR" });
  await scrapeUntil(culvert, 'culvert_service_connect_retries_total{service="main"}', 2);
  let series: Series = new Map();
  await until(async () => {
    series = await scrape(culvert);
    return series.get("culvert_event_loop_delay_seconds_count")! > 0 &&
      series.get('culvert_upstream_check_duration_seconds_count{upstream="checked"}')! > 1;
  }, { what: "checks, and the delay of the event loop" });
  assertEquals(series.get(`culvert_backend_ejections_total{upstream="main",backend="${dead}"}`), 1);
  assertEquals(
    series.get(`culvert_backend_ejections_total{upstream="main",backend="${backend.address}"}`),
    0,
  );
  assertEquals(series.get("culvert_config_refused_reloads_total"), 1);
  assertGreater(series.get('culvert_upstream_check_duration_seconds_sum{upstream="checked"}')!, 0);
  culvert.signal("SIGTERM");
  assertEquals(await culvert.exit, 0);
});
