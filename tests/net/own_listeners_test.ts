import { assertEquals, assertRejects } from "@std/assert";
import { parseAddress } from "../../src/net/address.ts";
import type { Connection } from "../../src/net/connection.ts";
import { OwnListeners } from "../../src/net/own_listeners.ts";
import { FakeClock } from "../core/fake_clock.ts";

/** A program: where services listen and what they lead to, and the backends of upstreams. */
interface Program {
  readonly services: Readonly<Record<string, { listen: string; upstreams: readonly string[] }>>;
  readonly upstreams: Readonly<Record<string, readonly string[]>>;
  readonly admin?: string;
}

function ownOf({ services, upstreams, admin }: Program, clock = new FakeClock()): OwnListeners {
  return new OwnListeners({
    listeners: () => [
      ...Object.entries(services).map(([service, { listen }]) => ({
        service,
        address: parseAddress(listen),
      })),
      ...(admin === undefined ? [] : [{ address: parseAddress(admin) }]),
    ],
    upstreamsOf: (service) => services[service]?.upstreams ?? [],
    backendsOf: (upstream) => (upstreams[upstream] ?? []).map(parseAddress),
  }, { clock });
}

function refusal(own: OwnListeners, upstream: string, address: string): string | undefined {
  return own.refusal(upstream, parseAddress(address))?.message.replace(/^.*?backend: /, "");
}

const SELF = { services: { a: { listen: ":80", upstreams: ["u"] } }, upstreams: { u: ["127.0.0.1:80"] } };

Deno.test("a backend that is a listener of its own service is refused, and others are not", () => {
  const own = ownOf(SELF);
  const why = "service a listens there, which leads to this upstream itself";
  assertEquals(refusal(own, "u", "127.0.0.1:80"), why);
  assertEquals(refusal(own, "u", "localhost:80"), why);
  assertEquals(refusal(own, "u", "127.0.0.1:81"), undefined);
  assertEquals(refusal(own, "u", "10.0.0.1:80"), undefined);
});

Deno.test("a service may lead to another one, and a chain of them not back to the first", () => {
  const services = {
    a: { listen: "127.0.0.1:1", upstreams: ["ua"] },
    b: { listen: "127.0.0.1:2", upstreams: ["ub"] },
    c: { listen: "unix:/run/c.sock", upstreams: ["uc", "other"] },
  };
  const chain = { ua: ["127.0.0.1:2"], ub: ["unix:/run/c.sock"] };
  const open = ownOf({ services, upstreams: { ...chain, uc: ["10.0.0.1:1"] } });
  assertEquals(refusal(open, "ua", "127.0.0.1:2"), undefined);
  assertEquals(refusal(open, "ub", "unix:/run/c.sock"), undefined);
  const loop = ownOf({ services, upstreams: { ...chain, uc: ["localhost:1"] } });
  assertEquals(
    refusal(loop, "ua", "127.0.0.1:2"),
    "service b listens there, which leads back to it by c, a",
  );
  assertEquals(refusal(loop, "uc", "127.0.0.1:1"), "service a listens there, which leads back to it by b, c");
  // What leads into a loop and is not in it leads nowhere that comes back to it.
  assertEquals(refusal(loop, "other", "unix:/run/d.sock"), undefined);
});

Deno.test("the admin API is no backend of anything", () => {
  const own = ownOf({ ...SELF, admin: "127.0.0.1:9901" });
  assertEquals(refusal(own, "u", "localhost:9901"), "the admin API listens there");
});

const NAME = parseAddress("app.internal:80");
const end = (hostname: string, port: number): Deno.NetAddr => ({ transport: "tcp", hostname, port });

/** Dials the name, and ends up there. */
function reach(own: OwnListeners, remote: Deno.NetAddr, local: Deno.NetAddr): Promise<Connection> {
  const connection = { remoteAddr: remote, localAddr: local } as unknown as Connection;
  return own.dial(NAME, { signal: new AbortController().signal, open: () => Promise.resolve(connection) });
}

Deno.test("a name that turned out to lead here is refused from then on, for a while", async () => {
  const clock = new FakeClock();
  const own = ownOf(SELF, clock);
  const asked = () => refusal(own, "u", "app.internal:80");
  await reach(own, end("10.0.0.7", 80), end("10.0.0.9", 4000)); // Another machine.
  assertEquals(asked(), undefined);
  clock.advance(1000);
  await reach(own, end("10.0.0.9", 80), end("10.0.0.9", 4000)); // This one.
  assertEquals(asked(), "service a listens there, which leads to this upstream itself");
  clock.advance(30_000);
  assertEquals(asked(), undefined);
  await reach(own, end("127.0.0.1", 80), end("127.0.0.1", 4000));
  assertEquals(typeof asked(), "string");
  own.refresh();
  assertEquals(asked(), undefined);
});

Deno.test("until it is known where a name leads, one connection is made, and others wait for it", async () => {
  const own = ownOf(SELF);
  const first = Promise.withResolvers<Connection>();
  let opened = 0;
  const dial = (signal = new AbortController().signal, address = NAME) =>
    own.dial(address, {
      signal,
      open: () => ++opened === 1 ? first.promise : Promise.resolve({} as Connection),
    });
  const leaving = new AbortController();
  const [one, two, three] = [dial(), dial(), dial(leaving.signal)];
  const elsewhere = dial(undefined, parseAddress("app.internal:81")); // No own listener has this port.
  leaving.abort(new Error("gone"));
  await assertRejects(() => three, Error, "gone");
  await elsewhere;
  assertEquals(opened, 2);
  first.reject(new Error("refused"));
  await assertRejects(() => one, Error, "refused");
  await two;
  assertEquals(opened, 3);
});

Deno.test("an address at which a client came in is one of this machine", () => {
  const own = ownOf(SELF);
  own.cameIn("10.0.0.9");
  assertEquals(
    refusal(own, "u", "10.0.0.9:80"),
    "service a listens there, which leads to this upstream itself",
  );
  assertEquals(refusal(own, "u", "10.0.0.9:81"), undefined);
  assertEquals(refusal(own, "u", "10.0.0.8:80"), undefined);
});
