import { assert, assertEquals, assertGreater, assertStringIncludes } from "@std/assert";
import { AllowedHosts } from "../../../src/admin/allowed_hosts.ts";
import { AdminApi } from "../../../src/admin/api.ts";
import { METRICS_TYPE, renderMetrics } from "../../../src/admin/metrics/metrics.ts";
import type { CrlStatus, Status } from "../../../src/admin/status.ts";
import { parseMetrics, type Series } from "../../support/scrape.ts";
import { backendStatus, SMALL_STATUS } from "../fake_target.ts";
import { difficultStatus, FULL_STATUS, MEMORY, targetWith } from "./metrics_fixture.ts";

async function textOf(status: Status): Promise<string> {
  const bytes = await renderMetrics(targetWith(status), { memory: () => MEMORY });
  return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
}

async function seriesOf(status: Status): Promise<Series> {
  return parseMetrics(await textOf(status));
}

/** The lines with values of the metrics whose names begin so. */
async function lines(status: Status, prefix: string): Promise<string[]> {
  return (await textOf(status)).split("\n").filter((line) => line.startsWith(prefix));
}

Deno.test("a program with nothing in it has this text", async () => {
  const text = await textOf(SMALL_STATUS);
  const end = text.indexOf("# HELP culvert_service_");
  assertEquals(
    text.slice(0, end),
    `# HELP culvert_build_info Always 1; which version of the program runs.
# TYPE culvert_build_info gauge
culvert_build_info{version="0.1.0"} 1
# HELP culvert_start_time_seconds When the program started, in seconds since 1970.
# TYPE culvert_start_time_seconds gauge
culvert_start_time_seconds 1795176000
# HELP culvert_state 1 for the state that the program is in, 0 for the others.
# TYPE culvert_state gauge
culvert_state{state="starting"} 0
culvert_state{state="ready"} 1
culvert_state{state="draining"} 0
culvert_state{state="stopped"} 0
# HELP culvert_ready Whether the program should be sent connections, as /readyz says.
# TYPE culvert_ready gauge
culvert_ready 1
# HELP culvert_resident_memory_bytes Memory of the process that is in RAM.
# TYPE culvert_resident_memory_bytes gauge
culvert_resident_memory_bytes 50000000
# HELP culvert_heap_size_bytes Size of the JavaScript heap.
# TYPE culvert_heap_size_bytes gauge
culvert_heap_size_bytes 20000000
# HELP culvert_heap_used_bytes What of the JavaScript heap is in use, garbage that has not been collected included.
# TYPE culvert_heap_used_bytes gauge
culvert_heap_used_bytes 15000000
# HELP culvert_external_memory_bytes Memory outside of the heap that objects in it hold, buffers above all.
# TYPE culvert_external_memory_bytes gauge
culvert_external_memory_bytes 1000000
# HELP culvert_config_generation The number of the configuration that runs: 1 at the start, one more with each good reload.
# TYPE culvert_config_generation gauge
culvert_config_generation 1
# HELP culvert_config_applied_timestamp_seconds Since when the configuration that runs does so, in seconds since 1970.
# TYPE culvert_config_applied_timestamp_seconds gauge
culvert_config_applied_timestamp_seconds 1795176000
# HELP culvert_config_last_reload_timestamp_seconds When the last reload was tried, in seconds since 1970; the start counts as one.
# TYPE culvert_config_last_reload_timestamp_seconds gauge
culvert_config_last_reload_timestamp_seconds 1795176000
# HELP culvert_config_last_reload_successful Whether the last reload went well; if not, the configuration from before goes on.
# TYPE culvert_config_last_reload_successful gauge
culvert_config_last_reload_successful 1
`,
  );
  assertEquals(text.slice(end).split("\n").filter((line) => !line.startsWith("#")), [""]);
});

Deno.test("a service tells its counts, every known reason, and its histograms", async () => {
  const told = await lines(FULL_STATUS, "culvert_service_");
  const silent = (line: string) => line.includes("reason=") && line.endsWith(" 0");
  assertEquals(told.filter((line) => !silent(line)), [
    'culvert_service_active_connections{service="web"} 3',
    'culvert_service_handshakes{service="web"} 1',
    'culvert_service_connections_total{service="web"} 10',
    'culvert_service_rejected_connections_total{reason="refused-by-deny",service="web"} 4',
    'culvert_service_rejected_connections_total{reason="tls-expired",service="web"} 2',
    'culvert_service_accept_failures_total{why="reset",service="web"} 5',
    'culvert_service_accept_failures_total{why="descriptors",service="web"} 6',
    'culvert_service_accept_failures_total{why="other",service="web"} 7',
    'culvert_service_ended_connections_total{reason="client-closed",service="web"} 5',
    'culvert_service_bytes_total{direction="up",service="web"} 1000',
    'culvert_service_bytes_total{direction="down",service="web"} 1099511627776',
    'culvert_service_connection_duration_seconds_bucket{le="0.5",service="web"} 2',
    'culvert_service_connection_duration_seconds_bucket{le="60",service="web"} 6',
    'culvert_service_connection_duration_seconds_bucket{le="+Inf",service="web"} 7',
    'culvert_service_connection_duration_seconds_sum{service="web"} 100.25',
    'culvert_service_connection_duration_seconds_count{service="web"} 7',
    'culvert_service_connect_duration_seconds_bucket{le="0.001",service="web"} 4',
    'culvert_service_connect_duration_seconds_bucket{le="+Inf",service="web"} 5',
    'culvert_service_connect_duration_seconds_sum{service="web"} 0.5',
    'culvert_service_connect_duration_seconds_count{service="web"} 5',
  ]);
  for (const reason of ["refused-by-limit", "tls-crl-expired"]) {
    assert(told.includes(`culvert_service_rejected_connections_total{reason="${reason}",service="web"} 0`));
  }
  assert(told.includes('culvert_service_ended_connections_total{reason="no-backend",service="web"} 0'));
});

Deno.test("an upstream tells its backends by state, its pools together, and its sources", async () => {
  assertEquals([
    ...await lines(FULL_STATUS, "culvert_upstream_"),
    ...await lines(FULL_STATUS, "culvert_disc"),
  ], [
    'culvert_upstream_backends{state="drained",upstream="app"} 1',
    'culvert_upstream_backends{state="down",upstream="app"} 0',
    'culvert_upstream_backends{state="ejected",upstream="app"} 1',
    'culvert_upstream_backends{state="unknown",upstream="app"} 0',
    'culvert_upstream_backends{state="up",upstream="app"} 1',
    'culvert_upstream_available_backends{upstream="app"} 1',
    'culvert_upstream_pool_idle_connections{upstream="app"} 9',
    'culvert_upstream_pool_waiting{upstream="app"} 1',
    'culvert_upstream_queue_waiting{upstream="app"} 1',
    'culvert_upstream_queued_connections_total{upstream="app"} 2',
    'culvert_upstream_queue_refused_connections_total{why="full",upstream="app"} 3',
    'culvert_upstream_queue_refused_connections_total{why="timeout",upstream="app"} 4',
    'culvert_discovery_up{upstream="app",source="dns A app.internal"} 0',
    'culvert_discovery_failures_total{upstream="app",source="dns A app.internal"} 4',
    'culvert_discovery_last_set_timestamp_seconds{upstream="app",source="dns A app.internal"} 1795176000',
    'culvert_discovery_backends{upstream="app",source="dns A app.internal"} 2',
  ]);
});

Deno.test("a backend tells what there is of it, and nothing of what there is not", async () => {
  const of = async (address: string) => {
    const labels = `{upstream="app",backend="${address}"}`;
    const told = (await lines(FULL_STATUS, "culvert_backend_")).filter((line) => line.includes(labels));
    return told.map((line) => line.replace("culvert_backend_", "").replace(labels, ""));
  };
  assertEquals(await of("10.0.0.1:80"), [
    "up 1",
    "drained 0",
    "weight 4",
    "effective_weight 2.5",
    "active_connections 2",
    "max_connections 100",
    "connections_total 7",
    "connect_failures_total 0",
    "pool_waits_total 3",
    "check_ok 1",
    "check_timestamp_seconds 1795176001.5",
    "check_flips_total 2",
    "certificate_expiry_timestamp_seconds 1798761600",
  ]);
  const unchecked = ["connections_total 0", "connect_failures_total 5", "pool_waits_total 0"];
  assertEquals(await of("[::1]:80"), [
    "up 0",
    "drained 0",
    "ejected_until_timestamp_seconds 1795176030",
    "weight 1",
    "effective_weight 0",
    "active_connections 0",
    ...unchecked,
  ]);
  assertEquals((await of("10.0.0.3:80")).slice(0, 2), ["up 0", "drained 1"]);
});

Deno.test("a backend gets connections before its first check has ended, and has no check to tell of", async () => {
  const backends = (["up", "unknown", "down", "ejected", "drained"] as const).map((state, i) => ({
    ...backendStatus(`10.0.0.${i}:80`),
    state,
    check: { type: "tcp", inARow: 0, flips: 0 },
  }));
  const status = { ...SMALL_STATUS, upstreams: [{ ...FULL_STATUS.upstreams[0]!, backends }] };
  const values = (await lines(status, "culvert_backend_up")).map((line) => line.at(-1));
  assertEquals(values, ["1", "1", "0", "0", "0"]);
  assertEquals(await lines(status, "culvert_backend_check_ok"), []);
});

Deno.test("certificates and CRLs tell until when they hold, and a CRL whether it does", async () => {
  const certificate = '{path="/etc/web.pem",used_by="service web, service more"}';
  assertEquals(await lines(FULL_STATUS, "culvert_cert"), [
    `culvert_certificate_expiry_timestamp_seconds${certificate} 1798761600`,
  ]);
  assertEquals(await lines(FULL_STATUS, "culvert_crl_"), [
    'culvert_crl_usable{path="/etc/ca.crl",used_by="service web"} 1',
    'culvert_crl_next_update_timestamp_seconds{path="/etc/ca.crl",issuer="CN=CA"} 1795262400',
  ]);
});

Deno.test("a CRL that can't be read is not usable, and has no date", async () => {
  const crls = [{ path: "/a.crl", usedBy: ["service web"], usable: false, problem: "garbage" }];
  assertEquals(await lines({ ...FULL_STATUS, crls }, "culvert_crl_"), [
    'culvert_crl_usable{path="/a.crl",used_by="service web"} 0',
  ]);
});

Deno.test("of several CRLs of one issuer in a file the newest is told, and the file once", async () => {
  const crl = (issuer: string, thisUpdate: string, nextUpdate: string): CrlStatus => ({
    path: "/a.crl",
    usedBy: ["service web"],
    issuer,
    thisUpdate: `${thisUpdate}T00:00:00.000Z`,
    nextUpdate: `${nextUpdate}T00:00:00.000Z`,
    usable: true,
  });
  const crls = [
    crl("CN=A", "2026-11-02", "2026-11-04"),
    crl("CN=A", "2026-11-03", "2026-11-05"),
    crl("CN=A", "2026-11-01", "2026-11-09"),
    crl("CN=B", "2026-11-01", "2026-11-06"),
  ];
  const series = await seriesOf({ ...FULL_STATUS, crls }); // Each of them once.
  const name = "culvert_crl_next_update_timestamp_seconds";
  assertEquals([...series].filter(([key]) => key.startsWith("culvert_crl_")), [
    ['culvert_crl_usable{path="/a.crl",used_by="service web"}', 1],
    [`${name}{path="/a.crl",issuer="CN=A"}`, Date.UTC(2026, 10, 5) / 1000],
    [`${name}{path="/a.crl",issuer="CN=B"}`, Date.UTC(2026, 10, 6) / 1000],
  ]);
});

Deno.test("no path or name can send a command to the terminal of who reads the metrics", async () => {
  const hostile = "a\x1b[2J\x07\x9b1m\u202eb\u2028c";
  const [upstream] = FULL_STATUS.upstreams;
  const [service] = FULL_STATUS.services;
  const text = await textOf({
    ...FULL_STATUS,
    services: [{ ...service!, name: hostile }],
    upstreams: [{
      ...upstream!,
      name: hostile,
      backends: [{ ...upstream!.backends[0]!, address: `unix:/${hostile}` }],
      discovery: [{ ...upstream!.discovery![0]!, name: hostile }],
    }],
    certificates: [{ ...FULL_STATUS.certificates[0]!, path: hostile, usedBy: [hostile] }],
    crls: [{ ...FULL_STATUS.crls[0]!, path: hostile, issuer: hostile }],
  });
  assertEquals(text.match(/[^\n\x20-\x7e]/gu), null);
  const shown = String.raw`a\\u001b[2J\\u0007\\u009b1m\\u202eb\\u2028c`;
  assertEquals(parseMetrics(text).get(`culvert_backend_up{upstream="${shown}",backend="unix:/${shown}"}`), 1);
});

Deno.test("names with quotes, backslashes and line feeds are escaped wherever they stand", async () => {
  const escaped = String.raw`a \"quoted\" \\ back\\nslash\nand {braces}, ü = 1`;
  const text = await textOf(difficultStatus());
  const series = parseMetrics(text);
  assertEquals(series.get(`culvert_build_info{version="${escaped}"}`), 1);
  assertEquals(series.get(`culvert_backend_up{upstream="${escaped}",backend="unix:/${escaped}"}`), 1);
  const rejected = "culvert_service_rejected_connections_total";
  assertEquals(series.get(`${rejected}{reason="${escaped}",service="${escaped}"}`), 1);
  assertEquals(series.get(`culvert_crl_usable{path="${escaped}",used_by="service web"}`), 1);
  assert(!text.includes("\nand"), "a line feed has come through");
});

Deno.test("thousands of backends are written in several turns of the event loop, and are of one moment", async () => {
  const backends = Array.from({ length: 3000 }, (_, i) => backendStatus(`10.0.${i >> 8}.${i & 255}:80`));
  const target = targetWith({ ...FULL_STATUS, upstreams: [{ ...FULL_STATUS.upstreams[0]!, backends }] });
  let pauses = 0;
  const bytes = await renderMetrics(target, {
    memory: () => MEMORY,
    pause: () => {
      pauses++;
      target.document = SMALL_STATUS;
      return Promise.resolve();
    },
  });
  const series = parseMetrics(new TextDecoder().decode(bytes));
  const perBackend = [...series.keys()].filter((key) => key.includes('backend="10.0.7.7:80"')).length;
  assertEquals(perBackend, 8);
  assertEquals([...series.keys()].filter((key) => key.startsWith("culvert_backend_up")).length, 3000);
  // One for the status, and one after each of these but the last, which nothing long comes after.
  assertGreater(pauses, perBackend - 1);
});

Deno.test("what is small is written in one go", async () => {
  const pause = () => Promise.reject(new Error("it has paused"));
  assertGreater((await renderMetrics(targetWith(FULL_STATUS), { pause })).length, 1000);
});

Deno.test("two scrapes at once do not get into each other's way", async () => {
  const [first, second] = await Promise.all([textOf(FULL_STATUS), textOf(SMALL_STATUS)]);
  assertEquals([first, second], [await textOf(FULL_STATUS), await textOf(SMALL_STATUS)]);
});

Deno.test("the API answers GET and HEAD with the text, and nothing else", async () => {
  const hosts = new AllowedHosts({ address: { kind: "tcp", host: "127.0.0.1", port: 9901 }, tls: false });
  const target = targetWith(FULL_STATUS);
  target.readiness = { ready: false, reasons: ["no backend"] };
  const api = new AdminApi({ target, hosts });
  const ask = (method: string) =>
    api.handle({
      method,
      path: "/metrics",
      query: "",
      version: "1.1",
      headers: new Map([["host", "127.0.0.1:9901"]]),
      keepAlive: true,
      expectsContinue: false,
      body: new Uint8Array(),
    });
  for (const method of ["GET", "HEAD"]) {
    const { status, headers, body } = await ask(method);
    assertEquals([status, headers], [200, { "Content-Type": METRICS_TYPE }]);
    const series = parseMetrics(new TextDecoder().decode(body as Uint8Array));
    assertEquals(series.get("culvert_ready"), 0);
    assertGreater(series.get("culvert_resident_memory_bytes")!, 1_000_000);
  }
  assertEquals(METRICS_TYPE, "text/plain; version=0.0.4; charset=utf-8");
  const { status, headers } = await ask("POST");
  assertEquals([status, headers!["Allow"]], [405, "GET, HEAD"]);
});

Deno.test("of prom-client nothing is locked but itself, as its dependencies can't be compiled", () => {
  // `deno compile` embeds all packages of the lock file, and overflows its stack over a file of bintrees's tests
  // (https://github.com/denoland/deno/issues/36746). The registry by itself needs none of them.
  const lock = JSON.parse(Deno.readTextFileSync(new URL("../../../deno.lock", import.meta.url)));
  const [name] = Object.keys(lock.npm).filter((key) => key.startsWith("prom-client@"));
  assertStringIncludes(name!, "prom-client@");
  assertEquals(Object.keys(lock.npm[name!]), ["integrity"]);
  assertEquals(Object.keys(lock.npm).filter((key) => /^(bintrees|tdigest|@opentelemetry)/.test(key)), []);
});
