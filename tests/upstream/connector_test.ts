import { assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { formatProxyV1 } from "../../src/net/proxy_protocol/format_v1.ts";
import { formatProxyV2 } from "../../src/net/proxy_protocol/format_v2.ts";
import type { TlsSession } from "../../src/tls/session/handshake.ts";
import type { TlsConnect } from "../../src/tls/dial.ts";
import { BackendConnector } from "../../src/upstream/connector.ts";
import { ScriptedDialler } from "../support/scripted_dialler.ts";

const ADDRESS = { kind: "tcp", host: "db", port: 1 } as const;
const NEVER = new AbortController().signal;
const VERSIONS = ["none", "v1", "v2"] as const;
const HEADERS = { v1: formatProxyV1({}), v2: formatProxyV2({}) };

/** A dialler, and TLS that only says where it would begin; what it is asked to speak with is written down. */
function parts() {
  const dialler = new ScriptedDialler();
  const asked: string[] = [];
  const connectTls: TlsConnect = async (to, signal) => {
    asked.push(to.kind);
    const connection = to.kind === "open" ? to.connection : await dialler.dial(to, signal);
    await connection.write(new TextEncoder().encode("<TLS>"));
    return { connection } as unknown as TlsSession;
  };
  return { dialler, asked, connectTls };
}

/** What a backend hears of a connection that is opened. */
async function heard(dialler: ScriptedDialler, opened: Promise<{ close(): void }>): Promise<string> {
  const far = (await dialler.call(dialler.calls.length - 1)).accept();
  (await opened).close();
  let text = "";
  for (let piece; (piece = await far.receive()) !== null;) text += piece;
  return text;
}

Deno.test("a connection for a client is in plain, or speaks TLS, or waits for a header before that", async () => {
  for (const tls of [false, true]) {
    for (const proxyProtocol of VERSIONS) {
      const { dialler, asked, connectTls } = parts();
      const connector = new BackendConnector({
        dial: dialler.dial,
        proxyProtocol,
        ...(tls ? { connectTls } : {}),
      });
      const now = tls && proxyProtocol === "none";
      assertEquals(await heard(dialler, connector.open(ADDRESS, NEVER)), now ? "<TLS>" : "");
      assertEquals(asked, now ? ["tcp"] : []);
      assertEquals(connector.tlsBehindHeader, tls && !now ? connectTls : undefined);
    }
  }
});

Deno.test("in plain it is the dialler's own promise, without one more", () => {
  const promise = Promise.reject(new Error("not reached"));
  promise.catch(() => {});
  for (const proxyProtocol of VERSIONS) {
    const connector = new BackendConnector({ dial: () => promise, proxyProtocol });
    assertStrictEquals(connector.open(ADDRESS, NEVER), promise);
  }
});

Deno.test("a connection for a check sends a header without a client", async () => {
  for (const tls of [false, true]) {
    for (const proxyProtocol of VERSIONS) {
      const { dialler, connectTls } = parts();
      const connector = new BackendConnector({
        dial: dialler.dial,
        proxyProtocol,
        ...(tls ? { connectTls } : {}),
      });
      const header = proxyProtocol === "none" ? "" : new TextDecoder().decode(HEADERS[proxyProtocol]);
      const expected = header + (tls ? "<TLS>" : "");
      assertEquals(await heard(dialler, connector.openForCheck(ADDRESS, NEVER)), expected);
      if (!tls) continue;
      const session = connector.connectTlsForCheck(ADDRESS, NEVER).then(({ connection }) => connection);
      assertEquals(await heard(dialler, session), expected);
    }
  }
});

Deno.test("a backend that breaks at the header of our own leaves no connection open", async () => {
  const { dialler, asked, connectTls } = parts();
  const connector = new BackendConnector({ dial: dialler.dial, proxyProtocol: "v2", connectTls });
  const opened = connector.openForCheck(ADDRESS, NEVER);
  dialler.calls[0]!.accept().closeWrite();
  dialler.calls[0]!.result.promise.then((near) => near.closeWrite()); // What is written now breaks.
  await assertRejects(() => opened, Deno.errors.BrokenPipe);
  assertEquals([dialler.unclosed, asked], [0, []]);
});

Deno.test("what is opened one way serves another that is the same, header or not, unless TLS comes behind it", () => {
  const { dialler: { dial }, connectTls } = parts();
  const other = parts();
  const connectors = {
    plain: new BackendConnector({ dial, proxyProtocol: "none" }),
    told: new BackendConnector({ dial, proxyProtocol: "v1" }),
    elsewhere: new BackendConnector({ dial: other.dialler.dial, proxyProtocol: "none" }),
    tls: new BackendConnector({ dial, connectTls, proxyProtocol: "none" }),
    toldTls1: new BackendConnector({ dial, connectTls, proxyProtocol: "v1" }),
    toldTls2: new BackendConnector({ dial, connectTls, proxyProtocol: "v2" }),
    otherTls: new BackendConnector({ dial, connectTls: other.connectTls, proxyProtocol: "v2" }),
  };
  const groups = [["plain", "told"], ["elsewhere"], ["tls"], ["toldTls1", "toldTls2"], ["otherTls"]];
  for (const [name, connector] of Object.entries(connectors)) {
    const same = Object.entries(connectors).filter(([, other]) => connector.connectsLike(other)).map((
      [key],
    ) => key);
    assertEquals(same, groups.find((group) => group.includes(name))!);
  }
});
