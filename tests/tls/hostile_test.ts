import { assertEquals, assertLess } from "@std/assert";
import { seededBytes } from "../support/bytes.ts";
import { output } from "../support/child.ts";
import { testWith } from "../support/installed.ts";
import { connectionCount } from "../support/proc.ts";
import { Python } from "../support/python.ts";
import { until } from "../support/wait.ts";
import { clientContext, close, connect, pki, readPiece, serverContext, TlsServer } from "./tls_fixture.ts";

const TIMES = 10;

/** A client that starts a handshake repeatedly, and aborts it at a certain step, in a certain way. */
const ATTACKER = `
import ssl
port, times, step, how, own = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4], sys.argv[5]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
if sys.argv[6] == "1.2": context.maximum_version = ssl.TLSVersion.TLSv1_2
context.load_cert_chain(own)
GARBAGE = bytes.fromhex(sys.argv[7])
kept = []
for _ in range(times):
    s = socket.create_connection(("127.0.0.1", port))
    i, o = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(i, o)
    def shake():
        try: tls.do_handshake()
        except ssl.SSLWantReadError: pass
        return o.read()
    hello = shake()
    try:
        if step == "garbage": s.sendall(GARBAGE)
        elif step == "half hello": s.sendall(hello[:len(hello) // 2])
        elif step == "header": s.sendall(hello[:3])
        elif step == "hello": s.sendall(hello)
        elif step == "hello answered": s.sendall(hello); s.recv(1)
        elif step in ("half finished", "finished", "data"):
            s.sendall(hello)
            while True:
                i.write(s.recv(65536)); more = shake()
                if more: break
            if step == "half finished": s.sendall(more[:len(more) // 2])
            else: s.sendall(more)
            if step == "data": tls.write(b"x"); s.sendall(o.read())
        if how == "fin": s.shutdown(socket.SHUT_WR); kept.append(s)
        elif how == "reset": reset(s)
        else: kept.append(s)
    except OSError: s.close()
say("done")
hear()
`;

const STEPS = [
  "connected",
  "garbage",
  "header",
  "half hello",
  "hello",
  "hello answered",
  "half finished",
  "finished",
  "data",
] as const;

for (const how of ["fin", "reset"] as const) {
  testWith(
    ["python3"],
    `${TIMES} clients that leave at each step with a ${how} leave nothing behind`,
    async (t) => {
      const material = await pki();
      await using server = new TlsServer(serverContext(material));
      const file = await Deno.makeTempFile();
      await Deno.writeTextFile(file, material.client.chainPem + material.client.keyPem);
      const before = connectionCount(Deno.pid);
      let ended = 0;
      for (const version of ["1.2", "1.3"] as const) {
        for (const step of STEPS) {
          await t.step(`${step}, TLS ${version}`, async () => {
            const garbage = seededBytes(3000, ended + 1).toHex();
            const args = [server.port, TIMES, step, how, file, version, garbage];
            await using attacker = new Python(ATTACKER, ...args);
            // Honest ones come in meanwhile.
            const { connection } = await connect(server.port, clientContext(material));
            assertEquals(await readPiece(connection), "hello\n");
            close(connection);
            assertEquals(await attacker.hear(), "done");
            ended += TIMES + 1;
            // Those that are reset early may never be accepted.
            const enough = how === "fin" ? ended : 0;
            await until(() => server.outcomes.length >= enough, { what: "all to be ended" });
            await until(() => connectionCount(Deno.pid) <= before, {
              what: "the descriptors to be given back",
            });
            await until(() => server.buffers.inUse.small === 0, { what: "the buffers to be given back" });
            if (how === "reset") ended = server.outcomes.length;
          });
        }
      }
      await Deno.remove(file);
      const reasons = server.outcomes.map((outcome) => "error" in outcome ? outcome.error.reason : "ok");
      const known = ["ok", "aborted", "not-tls", "bad-message"];
      assertEquals(reasons.filter((reason) => !known.includes(reason)), []);
    },
  );
}

testWith(
  ["python3"],
  `silent clients are given up at the deadline, and honest ones served meanwhile`,
  async () => {
    const material = await pki();
    const stop = new AbortController();
    let accepted = 0;
    const onAccepted = () => accepted++;
    await using server = new TlsServer(serverContext(material), { signal: stop.signal, onAccepted });
    const file = await Deno.makeTempFile();
    await Deno.writeTextFile(file, material.client.chainPem + material.client.keyPem);
    const before = connectionCount(Deno.pid);
    const attackers = ["connected", "half hello", "hello answered", "half finished"].map((step) =>
      new Python(ATTACKER, server.port, TIMES, step, "stay", file, "1.3", "")
    );
    for (const attacker of attackers) assertEquals(await attacker.hear(), "done");
    await until(() => accepted === 4 * TIMES, { what: "all to have come" });
    const { connection } = await connect(server.port, clientContext(material));
    assertEquals(await readPiece(connection), "hello\n");
    close(connection);
    stop.abort();
    await until(() => server.outcomes.length === 4 * TIMES + 1, { what: "all to be given up" });
    await until(() => connectionCount(Deno.pid) <= before, { what: "the descriptors to be given back" });
    assertEquals(
      server.outcomes.filter((outcome) => "error" in outcome && outcome.error.reason === "timeout").length,
      4 * TIMES,
    );
    for (const attacker of attackers) await attacker[Symbol.asyncDispose]();
    await Deno.remove(file);
  },
);

Deno.test("nothing refers to a connection whose handshake has failed", async () => {
  const program = new URL("./failed_handshakes_program.ts", import.meta.url).pathname;
  const args = ["run", "--allow-net", "--no-prompt", "--v8-flags=--expose-gc", program];
  const { accepted, reachable } = JSON.parse(await output(Deno.execPath(), args));
  assertEquals(accepted, 1400);
  // The last ones may still be on the stack.
  assertLess(reachable, 10);
});
