import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { CulvertError } from "../../src/core/errors.ts";
import { BufferPool } from "../../src/net/buffers.ts";
import { ClientContext } from "../../src/tls/client_context.ts";
import { connectTls } from "../../src/tls/connect.ts";
import { CrlSet } from "../../src/tls/x509/crl/set.ts";
import { TlsHandshakeError } from "../../src/tls/session/handshake_errors.ts";
import { type Entered, refusedName, TlsGate, type TlsGateOptions } from "../../src/tls/gate.ts";
import { until } from "../support/wait.ts";
import { crlSet, inDays } from "./pki.ts";
import { clientContext, close, makePki, type Pki, pki, socketPair } from "./tls_fixture.ts";

function gateOf({ ca, server }: Pki, options: Partial<TlsGateOptions> = {}): TlsGate {
  return new TlsGate({
    cert: server.chainPem,
    key: server.keyPem,
    clientAuth: "require",
    ca: ca.certPem,
    allow: [{ any: true }],
    ...options,
  });
}

/** A client without a certificate. */
function withoutCertificate({ ca }: Pki): ClientContext {
  return new ClientContext({ ca: ca.certPem, serverName: "server.test" });
}

/** How a client fares: who it is, `anonymous`, or the reason for which it is refused. */
async function enter(gate: TlsGate, context: ClientContext, latest?: () => TlsGate): Promise<string> {
  const [here, there] = await socketPair();
  const { signal } = new AbortController();
  const buffers = new BufferPool();
  const client = connectTls(there, { context, signal, buffers }).catch(() => undefined);
  let entered: Entered | undefined;
  try {
    entered = await gate.enter(here, { signal, buffers, ...(latest === undefined ? {} : { latest }) });
    return entered.identity?.subject ?? "anonymous";
  } catch (error) {
    if (!(error instanceof TlsHandshakeError)) throw error;
    return error.reason;
  } finally {
    const session = await client;
    if (session !== undefined) close(session.connection);
    if (entered !== undefined) close(entered.session.connection);
    const returned = () => Object.values(buffers.inUse).every((count) => count === 0);
    await until(returned, { what: "the buffers to come back" });
  }
}

Deno.test("a gate accepts clients of the CA that a rule names, and knows their identity", async () => {
  const [good, other] = [await pki(), await makePki()];
  const alice = "CN=alice,OU=operations";
  assertEquals(await enter(gateOf(good), clientContext(good)), alice);
  assertEquals(
    await enter(gateOf(good, { allow: [{ cn: "bob" }, { ou: "operations" }] }), clientContext(good)),
    alice,
  );
  assertEquals(await enter(gateOf(good, { allow: [{ cn: "bob" }] }), clientContext(good)), "not-allowed");
  assertEquals(await enter(gateOf(good), withoutCertificate(good)), "no-certificate");
  assertEquals(await enter(gateOf(good), clientContext(other, { ca: good.ca.certPem })), "unknown-ca");
});

Deno.test("without any rule every client is rejected", async () => {
  const good = await pki();
  assertEquals(await enter(gateOf(good, { allow: [] }), clientContext(good)), "not-allowed");
  const { cert, key, ca } = { cert: good.server.chainPem, key: good.server.keyPem, ca: good.ca.certPem };
  const gate = new TlsGate({ cert, key, ca, clientAuth: "require" });
  assertEquals(await enter(gate, clientContext(good)), "not-allowed");
});

Deno.test("a gate that can do without certificates looks at those that are shown", async () => {
  const [good, other] = [await pki(), await makePki()];
  const gate = gateOf(good, { clientAuth: "optional", allow: [{ cn: "alice" }] });
  assertEquals(await enter(gate, withoutCertificate(good)), "anonymous");
  assertEquals(await enter(gate, clientContext(good)), "CN=alice,OU=operations");
  assertEquals(await enter(gate, clientContext(other, { ca: good.ca.certPem })), "unknown-ca");
});

Deno.test("revocation is enforced, and fails closed", async () => {
  const good = await makePki();
  const { ca, client } = good;
  const at = (crls: CrlSet) => enter(gateOf(good, { crls }), clientContext(good));
  assertEquals(await at(crlSet(ca.crl())), "CN=alice,OU=operations");
  const expired = crlSet(ca.crl({ now: inDays(-9), nextUpdate: inDays(-1) }));
  assertEquals(await at(expired), "crl-expired");
  assertEquals(gateOf(good, { crls: expired }).problem?.reason, "crl-expired");
  assertEquals(await at(CrlSet.unreadable("it is garbage")), "crl-unreadable");
  assertEquals(await at(new CrlSet([])), "crl-missing");
  ca.revoke(client.serial);
  assertEquals(await at(crlSet(ca.crl())), "revoked");
  assertEquals(gateOf(good, { crls: crlSet(ca.crl()) }).problem, undefined);
});

Deno.test("time goes on for a gate: what expires while it is in use is refused from then on", async () => {
  const good = await makePki();
  const crls = crlSet(good.ca.crl());
  let now = Date.now();
  const gate = gateOf(good, { crls, now: () => now });
  assertEquals(await enter(gate, clientContext(good)), "CN=alice,OU=operations");
  assertEquals(gate.problem, undefined);
  now = inDays(40).getTime();
  assertEquals(gate.problem?.reason, "crl-expired");
  assertEquals(await enter(gate, clientContext(good)), "crl-expired");
});

Deno.test("the gate of the end of the handshake decides, not that of its beginning", async () => {
  const [good, other] = [await pki(), await makePki()];
  const strict = gateOf(good, { allow: [{ cn: "bob" }] });
  assertEquals(await enter(gateOf(good), clientContext(good), () => strict), "not-allowed");
  assertEquals(await enter(gateOf(good), clientContext(good), () => gateOf(other)), "unknown-ca");
  for (const clientAuth of ["optional", "none"] as const) {
    const before = gateOf(good, { clientAuth });
    assertEquals(await enter(before, withoutCertificate(good), () => gateOf(good)), "no-certificate");
  }
  const open = gateOf(good, { clientAuth: "none" });
  assertEquals(await enter(gateOf(good), clientContext(good), () => open), "CN=alice,OU=operations");
});

Deno.test("the same gate with other CAs and CRLs verifies by these, and keeps everything else", async () => {
  const [good, other] = [await makePki(), await makePki()];
  const { ca, client } = good;
  const alice = "CN=alice,OU=operations";
  const gate = gateOf(good, { crls: crlSet(ca.crl()), allow: [{ cn: "alice" }] });
  const none = gate.withTrust({ crls: CrlSet.unreadable("it is gone") });
  assertEquals([await enter(none, clientContext(good)), none.problem?.reason], [
    "crl-unreadable",
    "crl-unreadable",
  ]);
  const moved = gate.withTrust({ ca: other.ca.certPem, crls: undefined });
  assertEquals(await enter(moved, clientContext(good)), "unknown-ca");
  assertEquals(await enter(moved, clientContext(other, { ca: ca.certPem })), alice);
  assertEquals(await enter(moved, withoutCertificate(good)), "no-certificate");
  assertEquals(moved.authorities.length, 1);
  const bob = await other.ca.issueClient({ cn: "bob" });
  const context = clientContext({ ...other, client: bob }, { ca: ca.certPem });
  assertEquals(await enter(moved, context), "not-allowed");
  ca.revoke(client.serial);
  assertEquals(await enter(gate.withTrust({ crls: crlSet(ca.crl()) }), clientContext(good)), "revoked");
  assertEquals(await enter(gate, clientContext(good)), alice); // As it was.
  assertThrows(() => gate.withTrust({ ca: "garbage", crls: undefined }), CulvertError);
});

Deno.test("bad credentials and rules make no gate, and an expired server certificate is a warning", async () => {
  const [good, other] = [await pki(), await makePki()];
  const bad: Partial<TlsGateOptions>[] = [
    { cert: "garbage" },
    { key: other.server.keyPem },
    { ca: "garbage" },
    { ca: undefined },
    { allow: [{ any: false as true }] },
  ];
  for (const options of bad) assertThrows(() => gateOf(good, options), CulvertError);
  const old = await good.ca.issueServer({ names: ["x.test"], notBefore: inDays(-9), notAfter: inDays(-1) });
  assertEquals(gateOf(good).warnings, []);
  assertEquals(gateOf(good, { cert: old.chainPem, key: old.keyPem }).warnings.length, 1);
});

Deno.test("the name of a rejected client is recorded, if it has one", async () => {
  const good = await pki();
  const [here, there] = await socketPair();
  const { signal } = new AbortController();
  const buffers = new BufferPool();
  const client = connectTls(there, { context: clientContext(good), signal, buffers }).catch(() => undefined);
  const entering = gateOf(good, { allow: [] }).enter(here, { signal, buffers });
  const error = await assertRejects(() => entering, TlsHandshakeError);
  assertEquals(refusedName(error), "CN=alice,OU=operations");
  assertEquals(refusedName(new TlsHandshakeError("timeout")), undefined);
  assertEquals(refusedName(new TlsHandshakeError("x", { chain: [new Uint8Array([1])] })), undefined);
  const session = await client;
  if (session !== undefined) close(session.connection);
});
