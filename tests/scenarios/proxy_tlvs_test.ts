import { assertEquals, assertMatch } from "@std/assert";
import { formatProxyV2 } from "../../src/net/proxy_protocol/format_v2.ts";
import { hex, joined } from "../net/hex.ts";
import { readText } from "../support/bytes.ts";
import { output } from "../support/child.ts";
import { testWith } from "../support/installed.ts";
import { connect, echo, startBackend } from "../support/peers.ts";
import { startCulvert } from "../support/program.ts";
import { proxyConfig } from "../support/proxy_config.ts";
import { NGINX_STREAM, startHaproxy, startNginx, startNginxStream } from "../support/servers.ts";

const PROXIED = 'proxyProtocol: true, trusted: ["127.0.0.1"]';
const CLOSED = { message: "connection closed", service: "main" };
const FORWARDING = "proxyProtocol: {version: v2, tlvs: [crc32c], forwardTlvs: true}";
/** Answers with what it has been told. */
const TELLING = `frontend behind
  mode http
  bind 127.0.0.1:PORT accept-proxy
  http-request return content-type text/plain lf-string "%[src] %[fc_pp_authority] %[fc_pp_unique_id]"`;

testWith(["haproxy"], "TLVs go from one HAProxy to another through Culvert", async () => {
  await using behind = await startHaproxy(TELLING);
  await using culvert = await startCulvert(
    proxyConfig({ backends: [behind.address], upstream: FORWARDING, service: PROXIED }),
  );
  await using front = await startHaproxy(`listen front
  unique-id-format id-of-the-front
  bind 127.0.0.1:PORT
  server culvert 127.0.0.1:${culvert.port("main")} send-proxy-v2 proxy-v2-options unique-id,crc32c`);
  using client = await connect(front.port);
  await client.write(new TextEncoder().encode("GET / HTTP/1.0\r\n\r\n"));
  assertMatch(await readText(client), /\r\n\r\n127\.0\.0\.1 +id-of-the-front$/);
  assertEquals((await culvert.waitFor(CLOSED)).unique_id, "id-of-the-front");
  await culvert.finish();
});

testWith(["haproxy"], "TLVs of any type go on as they came, those that are no UTF-8 too", async () => {
  await using behind = await startHaproxy(TELLING);
  await using culvert = await startCulvert(
    proxyConfig({ backends: [behind.address], upstream: FORWARDING, service: PROXIED }),
  );
  const more = [
    { type: 0x20, value: hex("07 00000000 22 0002 ff fe") },
    { type: 0x02, value: new TextEncoder().encode("example.org") },
    { type: 0xea, value: new Uint8Array(10_000) },
  ];
  const ends = { source: { ip: "192.0.2.7", port: 9 }, destination: { ip: "192.0.2.1", port: 443 } };
  using client = await connect(culvert.port("main"));
  await client.write(joined(formatProxyV2({ ...ends, more }), "GET / HTTP/1.0\r\n\r\n"));
  assertMatch(await readText(client), /\r\n\r\n192\.0\.2\.7 example\.org $/);
  await client.closeWrite();
  await culvert.waitFor(CLOSED);
  await culvert.finish();
});

testWith(["nginx", NGINX_STREAM], "the header of version 1 that nginx sends names the client", async () => {
  using backend = startBackend(echo);
  await using culvert = await startCulvert(proxyConfig({ backends: [backend.address], service: PROXIED }));
  await using nginx = await startNginxStream(`server {
    listen 127.0.0.1:PORT;
    proxy_protocol on;
    proxy_pass 127.0.0.1:${culvert.port("main")};
  }`);
  // That the server is up was found out by a connection that sent nothing.
  using client = await connect(nginx.port);
  await client.write(new TextEncoder().encode("hello"));
  const buffer = new Uint8Array(5);
  await client.read(buffer);
  assertEquals(new TextDecoder().decode(buffer), "hello");
  await client.closeWrite();
  await culvert.waitFor({ ...CLOSED, client: `127.0.0.1:${client.localAddr.port}` });
  await culvert.finish();
});

testWith(["nginx", "curl"], "nginx takes a header with no TLVs but a checksum", async () => {
  await using nginx = await startNginx(`server {
    listen 127.0.0.1:PORT proxy_protocol;
    location / { return 200 "$proxy_protocol_addr\\n"; }
  }`);
  const upstream = "proxyProtocol: {version: v2, tlvs: [crc32c]}";
  await using culvert = await startCulvert(proxyConfig({ backends: [nginx.address], upstream }));
  const url = `http://127.0.0.1:${culvert.port("main")}/`;
  assertEquals(await output("curl", ["-sS", "--fail", "--interface", "127.0.0.9", url]), "127.0.0.9\n");
  const { unique_id } = await culvert.waitFor(CLOSED);
  assertEquals(unique_id, undefined);
  await culvert.finish();
});
