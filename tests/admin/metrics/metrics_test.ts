import { assert, assertEquals, assertGreater } from "@std/assert";
import { AllowedHosts } from "../../../src/admin/allowed_hosts.ts";
import { LiveFeed } from "../../../src/admin/live/live_feed.ts";
import { AdminApi } from "../../../src/admin/api.ts";
import { METRICS_TYPE } from "../../../src/admin/metrics/render.ts";
import type { CrlStatus } from "../../../src/admin/status/credentials.ts";
import type { Status } from "../../../src/admin/status/status.ts";
import { parseMetrics } from "../../support/scrape.ts";
import { backendStatus, SMALL_STATUS } from "../fake_target.ts";
import { difficultStatus, FULL_STATUS, metricsText, targetWith } from "./metrics_fixture.ts";

/** The sample lines of the metrics with this prefix. */
async function lines(status: Status, prefix: string): Promise<string[]> {
  return (await metricsText(status)).split("\n").filter((line) => line.startsWith(prefix));
}

Deno.test("a program without services has this text", async () => {
  const text = await metricsText(SMALL_STATUS);
  const end = text.indexOf("# HELP culvert_worker_");
  assertEquals(
    text.slice(0, end),
    `# HELP process_cpu_seconds_total Total user and system CPU time spent in seconds.
# TYPE process_cpu_seconds_total counter
process_cpu_seconds_total 12.5
# HELP process_resident_memory_bytes Resident memory size in bytes.
# TYPE process_resident_memory_bytes gauge
process_resident_memory_bytes 50000000
# HELP process_start_time_seconds Start time of the process since the Unix epoch in seconds.
# TYPE process_start_time_seconds gauge
process_start_time_seconds 1795176000
# HELP culvert_build_info Always 1; the label has the version of the program.
# TYPE culvert_build_info gauge
culvert_build_info{version="0.1.0"} 1
# HELP culvert_state 1 for the current state of the program, 0 for the other states.
# TYPE culvert_state gauge
culvert_state{state="starting"} 0
culvert_state{state="ready"} 1
culvert_state{state="draining"} 0
culvert_state{state="stopped"} 0
# HELP culvert_ready 1 if the program is ready for connections, as /readyz reports, otherwise 0.
# TYPE culvert_ready gauge
culvert_ready 1
# HELP culvert_heap_size_bytes Size of the JavaScript heap.
# TYPE culvert_heap_size_bytes gauge
culvert_heap_size_bytes 20000000
# HELP culvert_heap_used_bytes Used part of the JavaScript heap, including garbage that has not been collected yet.
# TYPE culvert_heap_used_bytes gauge
culvert_heap_used_bytes 15000000
# HELP culvert_external_memory_bytes Memory outside the JavaScript heap that belongs to JavaScript objects, mostly buffers.
# TYPE culvert_external_memory_bytes gauge
culvert_external_memory_bytes 1000000
# HELP culvert_config_generation Number of the running configuration: 1 after the start, incremented by each successful reload.
# TYPE culvert_config_generation gauge
culvert_config_generation 1
# HELP culvert_config_applied_timestamp_seconds Unix time at which the running configuration was applied.
# TYPE culvert_config_applied_timestamp_seconds gauge
culvert_config_applied_timestamp_seconds 1795176000
# HELP culvert_config_last_reload_timestamp_seconds Unix time of the last attempt to load the configuration, at the start or by a reload.
# TYPE culvert_config_last_reload_timestamp_seconds gauge
culvert_config_last_reload_timestamp_seconds 1795176000
# HELP culvert_config_last_reload_successful 1 if the last reload succeeded, 0 if it failed and the previous configuration is kept.
# TYPE culvert_config_last_reload_successful gauge
culvert_config_last_reload_successful 1
# HELP culvert_config_refused_reloads_total Reloads that have failed, so that the previous configuration was kept.
# TYPE culvert_config_refused_reloads_total counter
culvert_config_refused_reloads_total 0
# HELP culvert_event_loop_delay_seconds How late the event loop of the main thread calls a timer, sampled once a second.
# TYPE culvert_event_loop_delay_seconds histogram
`,
  );
  assertEquals(text.slice(end).split("\n").filter((line) => !line.startsWith("#")), [""]);
});

Deno.test("a service has its counters, every known reason and its histograms", async () => {
  const found = await lines(FULL_STATUS, "culvert_service_");
  const silent = (line: string) => line.includes("reason=") && line.endsWith(" 0");
  assertEquals(found.filter((line) => !silent(line)), [
    'culvert_service_active_connections{service="web"} 3',
    'culvert_service_handshakes{service="web"} 1',
    'culvert_service_connections_total{service="web"} 10',
    'culvert_service_rejected_connections_total{reason="refused-by-deny",service="web"} 4',
    'culvert_service_rejected_connections_total{reason="tls-expired",service="web"} 2',
    'culvert_service_connect_retries_total{service="web"} 2',
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
    'culvert_service_active_requests{service="web"} 2',
    'culvert_service_requests_total{status="none",service="web"} 1',
    'culvert_service_requests_total{status="1xx",service="web"} 0',
    'culvert_service_requests_total{status="2xx",service="web"} 7',
    'culvert_service_requests_total{status="3xx",service="web"} 0',
    'culvert_service_requests_total{status="4xx",service="web"} 0',
    'culvert_service_requests_total{status="5xx",service="web"} 0',
    'culvert_service_ended_requests_total{reason="ok",service="web"} 7',
    'culvert_service_ended_requests_total{reason="client-closed",service="web"} 1',
    'culvert_service_retried_requests_total{service="web"} 1',
    'culvert_service_request_duration_seconds_bucket{le="0.001",service="web"} 4',
    'culvert_service_request_duration_seconds_bucket{le="+Inf",service="web"} 8',
    'culvert_service_request_duration_seconds_sum{service="web"} 0.5',
    'culvert_service_request_duration_seconds_count{service="web"} 8',
  ]);
  for (const reason of ["refused-by-limit", "tls-crl-expired"]) {
    assert(found.includes(`culvert_service_rejected_connections_total{reason="${reason}",service="web"} 0`));
  }
  assert(found.includes('culvert_service_ended_connections_total{reason="no-backend",service="web"} 0'));
});

Deno.test("an upstream has its backends by state, the sum of its pools, and its sources", async () => {
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
    'culvert_upstream_check_duration_seconds_bucket{le="0.001",upstream="app"} 1',
    'culvert_upstream_check_duration_seconds_bucket{le="+Inf",upstream="app"} 2',
    'culvert_upstream_check_duration_seconds_sum{upstream="app"} 0.5',
    'culvert_upstream_check_duration_seconds_count{upstream="app"} 2',
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

Deno.test("a backend has the metrics that apply to it, and no others", async () => {
  const of = async (address: string) => {
    const labels = `{upstream="app",backend="${address}"}`;
    const found = (await lines(FULL_STATUS, "culvert_backend_")).filter((line) => line.includes(labels));
    return found.map((line) => line.replace("culvert_backend_", "").replace(labels, ""));
  };
  assertEquals(await of("10.0.0.1:80"), [
    "up 1",
    "drained 0",
    "ejections_total 0",
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
    "ejections_total 3",
    "weight 1",
    "effective_weight 0",
    "active_connections 0",
    ...unchecked,
  ]);
  assertEquals((await of("10.0.0.3:80")).slice(0, 2), ["up 0", "drained 1"]);
});

Deno.test("a backend that has not been checked yet is up, and has no check metrics", async () => {
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

Deno.test("certificates and CRLs have their expiry, and a CRL file whether it is usable", async () => {
  const certificate = '{path="/etc/web.pem",used_by="service web, service more"}';
  assertEquals(await lines(FULL_STATUS, "culvert_cert"), [
    `culvert_certificate_expiry_timestamp_seconds${certificate} 1798761600`,
  ]);
  assertEquals(await lines(FULL_STATUS, "culvert_crl_"), [
    'culvert_crl_usable{path="/etc/ca.crl",used_by="service web"} 1',
    'culvert_crl_next_update_timestamp_seconds{path="/etc/ca.crl",issuer="CN=CA"} 1795262400',
  ]);
});

Deno.test("an unreadable CRL file is not usable and has no expiry", async () => {
  const crls = [{ path: "/a.crl", usedBy: ["service web"], usable: false, problem: "garbage" }];
  assertEquals(await lines({ ...FULL_STATUS, crls }, "culvert_crl_"), [
    'culvert_crl_usable{path="/a.crl",used_by="service web"} 0',
  ]);
});

Deno.test("of several CRLs from one issuer in a file only the newest counts, and the file counts once", async () => {
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
  const series = parseMetrics(await metricsText({ ...FULL_STATUS, crls }));
  const name = "culvert_crl_next_update_timestamp_seconds";
  assertEquals([...series].filter(([key]) => key.startsWith("culvert_crl_")), [
    ['culvert_crl_usable{path="/a.crl",used_by="service web"}', 1],
    [`${name}{path="/a.crl",issuer="CN=A"}`, Date.UTC(2026, 10, 5) / 1000],
    [`${name}{path="/a.crl",issuer="CN=B"}`, Date.UTC(2026, 10, 6) / 1000],
  ]);
});

Deno.test("no path or name in the metrics can send a command to a terminal", async () => {
  const hostile = "a\x1b[2J\x07\x9b1m\u202eb\u2028c";
  const [upstream] = FULL_STATUS.upstreams;
  const [service] = FULL_STATUS.services;
  const text = await metricsText({
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

Deno.test("quotes, backslashes and line feeds are escaped in every label", async () => {
  const escaped = String.raw`a \"quoted\" \\ back\\nslash\nand {braces}, ü = 1`;
  const text = await metricsText(difficultStatus());
  const series = parseMetrics(text);
  assertEquals(series.get(`culvert_build_info{version="${escaped}"}`), 1);
  assertEquals(series.get(`culvert_backend_up{upstream="${escaped}",backend="unix:/${escaped}"}`), 1);
  const rejected = "culvert_service_rejected_connections_total";
  assertEquals(series.get(`${rejected}{reason="${escaped}",service="${escaped}"}`), 1);
  assertEquals(series.get(`culvert_crl_usable{path="${escaped}",used_by="service web"}`), 1);
  assert(!text.includes("\nand"), "a line feed is not escaped");
});

Deno.test("thousands of backends are written in many slices", async () => {
  const backends = Array.from({ length: 3000 }, (_, i) => backendStatus(`10.0.${i >> 8}.${i & 255}:80`));
  const status = { ...FULL_STATUS, upstreams: [{ ...FULL_STATUS.upstreams[0]!, backends }] };
  let pauses = 0;
  const text = await metricsText(status, {
    sliceMs: 0,
    pause: () => {
      pauses++;
      return Promise.resolve();
    },
  });
  const series = parseMetrics(text);
  const names = [...series.keys()].filter((key) => key.includes('backend="10.0.7.7:80"'));
  assertEquals(names.length, 9);
  assertEquals([...series.keys()].filter((key) => key.startsWith("culvert_backend_")).length, 9 * 3000);
  assertGreater(pauses, 8 * 3000 / 100);
  assertEquals(text, await metricsText(status));
});

Deno.test("two concurrent scrapes are independent", async () => {
  const [first, second] = await Promise.all([metricsText(FULL_STATUS), metricsText(SMALL_STATUS)]);
  assertEquals([first, second], [await metricsText(FULL_STATUS), await metricsText(SMALL_STATUS)]);
});

Deno.test("the API answers GET and HEAD with the text, and rejects other methods", async () => {
  const hosts = new AllowedHosts({ address: { kind: "tcp", host: "127.0.0.1", port: 9901 }, tls: false });
  const target = targetWith(FULL_STATUS);
  target.readiness = { ready: false, reasons: ["no backend"] };
  const api = new AdminApi({ target, hosts, feed: new LiveFeed({ target }) });
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
    }, { client: "127.0.0.1:4711" });
  for (const method of ["GET", "HEAD"]) {
    const { status, headers, body } = await ask(method);
    assertEquals([status, headers], [200, { "Content-Type": METRICS_TYPE }]);
    const series = parseMetrics(new TextDecoder().decode(body as Uint8Array));
    assertEquals(series.get("culvert_ready"), 0);
    assertGreater(series.get("process_resident_memory_bytes")!, 1_000_000);
  }
  assertEquals(METRICS_TYPE, "text/plain; version=0.0.4; charset=utf-8");
  const { status, headers } = await ask("POST");
  assertEquals([status, headers!["Allow"]], [405, "GET, HEAD"]);
});
