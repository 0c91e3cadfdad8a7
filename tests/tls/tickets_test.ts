import { assertEquals, assertStringIncludes } from "@std/assert";
import { testWith } from "../support/installed.ts";
import { OpensslClient } from "../support/tls_files.ts";
import type { ServerContext } from "../../src/tls/session/server_context.ts";
import { makePki, type Pki, pki, serverContext, TlsServer } from "./tls_fixture.ts";

// Tickets of the engine open every server of the program, and the client certificate of a resumed session is
// not verified by it. So whatever a ticket is worth elsewhere, its holder must be a client that would be accepted
// now.

/** Where a ticket may come from that must not be good for the listener that asks for certificates. */
interface Source {
  readonly what: string;
  readonly reason: string;
  context(good: Pki, other: Pki): ServerContext;
  own(good: Pki, other: Pki): Pki | undefined;
}

const SOURCES: readonly Source[] = [
  {
    what: "a listener without client certificates",
    reason: "no-certificate",
    context: (good) => serverContext(good, { clientAuth: "none" }),
    own: () => undefined,
  },
  {
    what: "a listener that can do without a certificate",
    reason: "no-certificate",
    context: (good) => serverContext(good, { clientAuth: "optional" }),
    own: () => undefined,
  },
  {
    what: "a listener with another CA",
    reason: "unknown-ca",
    context: (good, other) => serverContext(good, { ca: other.ca.certPem }),
    own: (_good, other) => other,
  },
  {
    what: "a listener with another CA that can do without a certificate",
    reason: "unknown-ca",
    context: (good, other) => serverContext(good, { ca: other.ca.certPem, clientAuth: "optional" }),
    own: (_good, other) => other,
  },
];

for (const version of ["1.2", "1.3"] as const) {
  for (const { what, reason, context, own } of SOURCES) {
    testWith(["openssl"], `a ticket of TLS ${version} from ${what} gives no access`, async () => {
      const [good, other] = [await pki(), await makePki()];
      await using source = new TlsServer(context(good, other));
      await using target = new TlsServer(serverContext(good));
      await using holder = new OpensslClient(version);

      await holder.talk(source.port, { own: own(good, other)?.client, keep: true });
      assertEquals(await source.reason(), "ok");
      assertEquals(holder.hasTicket(), true);

      for (const shown of [undefined, own(good, other)]) {
        const { text, resumed } = await holder.talk(target.port, { own: shown?.client, redeem: true });
        assertEquals(resumed, true); // The engine has nothing against it.
        assertEquals(text.includes("hello"), false);
        assertEquals(await target.reason(), reason);
      }
    });
  }

  testWith(
    ["openssl"],
    `a ticket of TLS ${version} from before a change of CA gives no access after it`,
    async () => {
      const [before, after] = [await pki(), await makePki()];
      await using server = new TlsServer(serverContext(before));
      await using holder = new OpensslClient(version);
      await holder.talk(server.port, { own: before.client, keep: true });
      assertEquals(await server.reason(), "ok");

      server.context = serverContext(before, { ca: after.ca.certPem });
      const { text, resumed } = await holder.talk(server.port, { own: before.client, redeem: true });
      assertEquals(resumed, true);
      assertEquals(text.includes("hello"), false);
      assertEquals(await server.reason(), "unknown-ca");
    },
  );

  testWith(
    ["openssl"],
    `a ticket of TLS ${version} opens the listener it is from, and its holder is known`,
    async () => {
      const good = await pki();
      const asked: boolean[] = [];
      await using server = new TlsServer(serverContext(good), {
        verify: (chain) => {
          asked.push(chain.length > 0);
          return { ok: true };
        },
      });
      await using holder = new OpensslClient(version);
      await holder.talk(server.port, { own: good.client, keep: true });
      const { text, resumed } = await holder.talk(server.port, { own: good.client, redeem: true });
      assertStringIncludes(text, "hello");
      assertEquals(resumed, true);
      const sessions = server.outcomes.map((outcome) => "session" in outcome ? outcome.session : undefined);
      assertEquals(sessions.map((session) => session?.resumed), [false, true]);
      assertEquals(sessions[1]?.peer?.chain[0], sessions[0]?.peer?.chain[0]);
      assertEquals(asked, [true, true]);
    },
  );

  testWith(
    ["openssl"],
    `a ticket of TLS ${version} is worth nothing once its holder is not allowed any more`,
    async () => {
      const good = await pki();
      let revoked = false;
      await using server = new TlsServer(serverContext(good), {
        verify: () => revoked ? { ok: false, reason: "revoked" } : { ok: true },
      });
      await using holder = new OpensslClient(version);
      await holder.talk(server.port, { own: good.client, keep: true });
      assertEquals(await server.reason(), "ok");
      revoked = true;
      assertEquals(
        (await holder.talk(server.port, { own: good.client, redeem: true })).text.includes("hello"),
        false,
      );
      assertEquals(await server.reason(), "revoked");
    },
  );

  testWith(["openssl"], `with TLS ${version} a rejected client gets no session ticket`, async () => {
    const [good, other] = [await pki(), await makePki()];
    await using server = new TlsServer(serverContext(good));
    await using holder = new OpensslClient(version);
    for (const own of [undefined, other]) {
      await holder.talk(server.port, { own: own?.client, keep: true });
      assertEquals(await server.reason(), own === undefined ? "no-certificate" : "unknown-ca");
      assertEquals(holder.hasTicket(), false);
    }
    // Nor does a client that `authorize` rejects at the end.
    await using strict = new TlsServer(serverContext(good), {
      verify: () => ({ ok: false, reason: "revoked" }),
    });
    await holder.talk(strict.port, { own: good.client, keep: true });
    assertEquals(await strict.reason(), "revoked");
    assertEquals(holder.hasTicket(), false);
  });
}
