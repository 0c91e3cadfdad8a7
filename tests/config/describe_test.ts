import { assertEquals, assertStringIncludes } from "@std/assert";
import { describeConfig } from "../../src/config/describe.ts";
import { configWith, parse } from "./support.ts";

Deno.test("a description says what holds after defaults", () => {
  const text = describeConfig(parse(`version: 1
log: {access: false}
timeouts: {lifetime: 24h, drain: 0}
upstreams:
  db:
    backends:
      - {address: 10.0.0.11:5432, weight: 5, maxConnections: 100}
      - {address: 10.0.0.12:5432, backup: true}
      - {address: unix:db.sock, weight: 0}
    balance: least-connections
    pool: {minIdle: 2, maxOpen: 20}
    onRemove: drain
  spare:
    backends: [{address: 10.0.0.13:5432}]
    retries: 1
    pool: {idleTimeout: 0}
services:
  - name: postgres
    listen: ["0.0.0.0:5432", "[::1]:5433"]
    allow: [10.0.0.0/8, 192.0.2.1]
    deny: [10.6.6.0/24]
    maxConnections: 0
    rate: {connections: 100, burst: 200}
    timeouts: {connect: 1.5s, idle: 0}
    upstream: db
  - name: echo
    listen: [":7"]
    allow: []
    upstream: {backends: [{address: "echo.internal:7"}]}
`));
  assertEquals(
    text,
    `log
  level         info
  format        text
  access lines  no

service postgres (tcp)
  listen        0.0.0.0:5432
                [::1]:5433
  clients       from 10.0.0.0/8, 192.0.2.1, but not from 10.6.6.0/24
                any number of connections
                at most 1000 of them before their handshake is over; older than 1s, the oldest is evicted first
                addresses of one /32 (IPv4) or /64 (IPv6) are one source
                100 new connections in 1s from each source, 200 in a burst
  timeouts      connect 1500ms, handshake 10s, idle off, halfClose 1m, lifetime 24h, drain at once
  tls           none
  upstream      db

service echo (tcp)
  listen        :7
  clients       no client
                at most 10000 connections at once
                at most 1000 of them before their handshake is over; older than 1s, the oldest is evicted first
                addresses of one /32 (IPv4) or /64 (IPv6) are one source
  timeouts      connect 10s, handshake 10s, idle 90s, halfClose 1m, lifetime 24h, drain at once
  tls           none
  upstream      echo

upstream db
  PROXY header  none
  tls           none
  balance       least-connections
  retries       2 further backends
  queue         none: where every backend is full, the next connection is refused
  pool          2 to 8 idle for each backend, at most 20 open, idle for 90s at most
  when removed  its connections may finish
  when down     its connections go on
  checks        not checked
  ejection      after 5 failures in a row, for 30s and more, at most 50% of them
  slow start    none
  backends      10.0.0.11:5432             weight 5, at most 100 connections
                10.0.0.12:5432             weight 1, backup
                unix:/etc/culvert/db.sock  weight 0 (takes no new connections)

upstream spare (not used by any service)
  PROXY header  none
  tls           none
  balance       round-robin
  retries       1 further backend
  queue         none: where every backend is full, the next connection is refused
  pool          0 to 8 idle for each backend, any number open, idle without end
  when removed  its connections are closed
  when down     its connections go on
  checks        not checked
  ejection      after 5 failures in a row, for 30s and more, at most 50% of them
  slow start    none
  backends      10.0.0.13:5432  weight 1

upstream echo
  PROXY header  none
  tls           none
  balance       round-robin
  retries       2 further backends
  queue         none: where every backend is full, the next connection is refused
  pool          0 to 8 idle for each backend, any number open, idle for 90s at most
  when removed  its connections are closed
  when down     its connections go on
  checks        not checked
  ejection      after 5 failures in a row, for 30s and more, at most 50% of them
  slow start    none
  backends      echo.internal:7  weight 1
`,
  );
});

Deno.test("a description shows the trusted senders of PROXY headers, and the upstreams of server names", () => {
  const service = `proxyProtocol: true
trusted: [10.0.0.0/8, "::1"]
sni: {app.example.org: db, "*.example.org": db}`;
  const text = describeConfig(parse(configWith({ service, upstream: "proxyProtocol: v2" })));
  assertStringIncludes(text, "                named by a PROXY header, which 10.0.0.0/8, ::1 must send\n");
  assertStringIncludes(
    text,
    `
  upstream      db for app.example.org
                db for *.example.org
                db for other names
`,
  );
  assertStringIncludes(
    text,
    "\n  PROXY header  v2, to every backend, with alpn, authority, unique-id, ssl, cert-cn, ssl-cipher\n",
  );
  const chosen = "proxyProtocol: {version: v2, tlvs: [client-cert, crc32c], forwardTlvs: [unique-id, 0xEA]}";
  assertStringIncludes(
    describeConfig(parse(configWith({ service, upstream: chosen }))),
    `
  PROXY header  v2, to every backend, with client-cert, crc32c
                passes on the TLVs that clients come with of the types 0x05, 0xea
`,
  );
  assertStringIncludes(
    describeConfig(parse(configWith({ service }).replace("    upstream: db\n", ""))),
    "\n                other names are refused\n",
  );
});

Deno.test("of many backends the first are listed and the rest is counted", () => {
  const backends = Array.from({ length: 60 }, (_, i) => `{address: "10.0.0.${i}:1"}`).join(", ");
  const text = describeConfig(parse(configWith({ upstream: `backends: [${backends}]` })));
  assertStringIncludes(text, "10.0.0.49:1  weight 1\n                … and 10 more\n");
});
