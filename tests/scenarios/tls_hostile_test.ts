import { untilRefused } from "../support/refusals.ts";
import { assertEquals, assertGreater } from "@std/assert";
import { testWith } from "../support/installed.ts";
import { Load } from "../support/load.ts";
import { exchange, greet, readLine, startBackend } from "../support/peers.ts";
import { startCulvert } from "../support/program.ts";
import { Python } from "../support/python.ts";
import { tlsConfig, TlsFiles } from "../support/tls_files.ts";
import { makePki } from "../tls/tls_fixture.ts";

/** Connections of twelve kinds, one after the other; those that stay open do so until the other side ends them. */
const HOSTILE = `
import os, ssl
port, ca, good, bad, count = int(sys.argv[1]), *sys.argv[2:5], int(sys.argv[5])
def context(own, version):
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    c.load_verify_locations(ca); c.check_hostname = False
    c.minimum_version = c.maximum_version = version
    if own: c.load_cert_chain(own)
    return c
V2, V3 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
contexts = {(own, v): context(own, v) for own in ("", good, bad) for v in (V2, V3)}
class Tls:
    def __init__(self, s, own, version):
        self.s, self.i, self.o = s, ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = contexts[(own, version)].wrap_bio(self.i, self.o)
    def step(self):
        try: self.tls.do_handshake(); return True
        except ssl.SSLWantReadError: return False
        finally: self.out = self.o.read()
    def send(self, part=None): self.s.sendall(self.out if part is None else self.out[:part])
    def hear(self):
        data = self.s.recv(65536)
        if not data: raise OSError("ended")
        self.i.write(data)
stay = []
def one(kind, version):
    s = socket.create_connection(("127.0.0.1", port)); s.settimeout(20)
    if kind == 0: return stay.append(s)
    if kind == 1: return reset(s)
    if kind == 2: s.sendall(b"GET / HTTP/1.1\\r\\n\\r\\n"); return stay.append(s)
    if kind == 3: s.sendall(os.urandom(3000)); return reset(s)
    t = Tls(s, good, version); t.step()
    if kind == 4: t.send(60); return stay.append(s)
    if kind == 5: t.send(60); return reset(s)
    if kind == 6: t.send(60); s.shutdown(socket.SHUT_WR); return stay.append(s)
    t.send()
    if kind == 7: return reset(s)
    if kind == 8: return stay.append(s)
    t.hear()
    if kind == 9: return reset(s)
    done = t.step(); t.send(None if kind == 10 else 20)
    if kind == 10: return reset(s)
    return stay.append(s)
def refused(own, version):
    s = socket.create_connection(("127.0.0.1", port)); s.settimeout(20)
    t = Tls(s, own, version)
    try:
        while not t.step(): t.send(); t.hear()
        t.send()
    except (ssl.SSLError, OSError): pass
    stay.append(s)
for k in range(count):
    try:
        if k % 14 < 12: one(k % 14, (V2, V3)[k // 14 % 2])
        else: refused(("", bad)[k % 14 - 12], (V2, V3)[k // 14 % 2])
    except OSError as e: pass
say("sent")
for s in stay:
    try:
        while s.recv(65536): pass
    except socket.timeout: say("left open"); sys.exit(1)
    except OSError: pass
    s.close()
say("over")
`;

testWith(
  ["python3"],
  "300 hostile connections leave nothing behind, and honest clients get in all the while",
  async () => {
    const [pki, other] = [await makePki(), await makePki()];
    await using files = new TlsFiles();
    using backend = startBackend(greet("a"));
    const ca = files.put("ca.pem", pki.ca.certPem);
    const own = (name: string, { client }: typeof pki) => files.put(name, client.chainPem + client.keyPem);
    await using culvert = await startCulvert(tlsConfig({
      backends: [backend.address],
      tls: { ...files.putOwn("server", pki.server), clientAuth: { ca, allow: [{ any: true }] } },
      timeouts: "handshake: 2s",
    }));
    const port = culvert.port("main");
    const connect = () => {
      const { certPem } = pki.ca;
      const shown = { cert: pki.client.chainPem, key: pki.client.keyPem };
      return Deno.connectTls({ hostname: "127.0.0.1", port, caCerts: [certPem], ...shown });
    };
    const attack = async (count: number) => {
      await using python = new Python(HOSTILE, port, ca, own("good.pem", pki), own("bad.pem", other), count);
      assertEquals(await python.hear(), "sent");
      assertEquals(await python.hear(), "over");
    };
    using stream = await connect();
    assertEquals(await readLine(stream), "a");
    const load = new Load(port, { clients: 2, connect });
    await load.more(5);
    await attack(300);
    await load.more(5);
    await load.stop();
    assertEquals(load.errors, []);
    assertGreater(load.served.get("a") ?? 0, 20);
    assertEquals(await exchange(stream, "still here"), "still here");
    stream.close();
    await culvert.settled();
    const reasons = new Set(culvert.found({ message: "connection refused" }).map(({ reason }) => reason));
    for (const reason of ["tls-aborted", "tls-not-tls", "tls-no-certificate", "tls-unknown-ca"]) {
      assertEquals([reason, reasons.has(reason)], [reason, true]);
    }
    await untilRefused(culvert, "handshake", 41);
    await culvert.finish();
  },
);
