import { assertEquals, assertGreater, assertRejects, assertThrows } from "@std/assert";
import { type Address, parseAddress } from "../../../../src/net/address.ts";
import { HalfOpenChecker } from "../../../../src/upstream/check/half_open/checker.ts";
import {
  HalfOpenAlreadyStartedError,
  HalfOpenClosedError,
  HalfOpenConnectError,
  HalfOpenNotStartedError,
  HalfOpenResolveError,
  HalfOpenTimeoutError,
  HalfOpenUnsupportedError,
} from "../../../../src/upstream/check/half_open/errors.ts";
import { startUnresponsive } from "../../../support/peers.ts";
import { settle } from "../../../support/settle.ts";
import {
  block,
  DEAD,
  halfOpenTest,
  listenAt,
  LONG_MS,
  startChecker,
  startInFakeTime,
  UNREACHABLE,
} from "./fixture.ts";

/** What a check that must fail to connect says. */
async function failure(check: Promise<void>): Promise<[failure: string, systemCode: string, code: string]> {
  const error = await assertRejects(() => check, HalfOpenConnectError);
  return [error.failure, error.systemCode, error.code];
}

for (const host of ["127.0.0.1", "::1"]) {
  halfOpenTest(`an open port is found at ${host}`, async () => {
    using backend = listenAt(host);
    await using checker = startChecker();
    await checker.checkAddress(backend.address, LONG_MS);
    await checker.checkAddress(backend.address, 0);
  });
}

halfOpenTest("an IPv4-mapped address and one with a zone are checked as what they stand for", async () => {
  using ipv4 = listenAt("127.0.0.1");
  using ipv6 = listenAt("::1");
  await using checker = startChecker();
  await checker.checkAddress({ ...ipv4.address, host: "::ffff:127.0.0.1" } as Address, LONG_MS);
  for (const zone of ["lo", "1"]) {
    await checker.checkAddress({ ...ipv6.address, host: `::1%${zone}` } as Address, LONG_MS);
  }
  const nowhere = { ...ipv6.address, host: "fe80::1%no-such-interface" } as Address;
  await assertRejects(() => checker.checkAddress(nowhere, LONG_MS), HalfOpenUnsupportedError);
});

halfOpenTest("a closed port is refused, over IPv4 and IPv6", async () => {
  await using checker = startChecker();
  for (const address of [DEAD, parseAddress("[::1]:1")]) {
    const seen = await failure(checker.checkAddress(address, LONG_MS));
    assertEquals(seen, ["refused", "ECONNREFUSED", "half_open_connect"]);
  }
});

halfOpenTest("an address to which no network leads is unreachable", async () => {
  await using checker = startChecker();
  for (const address of [UNREACHABLE, parseAddress("[ff02::1]:80")]) {
    const seen = await failure(checker.checkAddress(address, LONG_MS));
    assertEquals(seen, ["unreachable", "ENETUNREACH", "half_open_connect"]);
  }
});

halfOpenTest("a backend that does not answer has until its timeout, and no longer", async () => {
  using backend = await startUnresponsive();
  const { clock, checker } = startInFakeTime();
  await using _ = checker;
  const checked = assertRejects(
    () => checker.checkAddress(parseAddress(backend.address), 500),
    HalfOpenTimeoutError,
    `Cannot check "${backend.address}": timed out after 500ms`,
  );
  await clock.advanceAsync(499);
  assertEquals(checker.underWay, 1);
  await clock.advanceAsync(20);
  assertEquals(checker.underWay, 0);
  assertEquals((await checked).code, "half_open_timeout");
  assertEquals(clock.pending, 0);
});

halfOpenTest("a signal gives up at once, with its reason", async () => {
  using backend = await startUnresponsive();
  await using checker = startChecker();
  const address = parseAddress(backend.address);
  const end = new AbortController();
  const reason = new Error("enough");
  const checked = assertRejects(
    () => checker.checkAddress(address, 0, { signal: end.signal }),
    Error,
    "enough",
  );
  assertEquals(checker.underWay, 1);
  end.abort(reason);
  assertEquals(checker.underWay, 0);
  assertEquals(await checked, reason);
  await assertRejects(() => checker.checkAddress(address, 0, { signal: end.signal }), Error, "enough");
});

halfOpenTest(
  "at most the limit of checks run at once, and waiting checks start in order with their own deadline",
  async () => {
    using silent = await startUnresponsive();
    using backend = listenAt("127.0.0.1");
    const { clock, checker } = startInFakeTime({ maxUnderWay: 2 });
    await using _ = checker;
    const ends: string[] = [];
    const check = async (name: string, address: Address, timeoutMs: number) => {
      const result = await checker.checkAddress(address, timeoutMs).catch((error) => error.code);
      ends.push(`${name}: ${result ?? "answered"}`);
    };
    const all = [
      check("first", parseAddress(silent.address), 1_000),
      check("second", parseAddress(silent.address), 2_000),
      check("third", backend.address, 500),
      check("fourth", backend.address, 1_500),
    ];
    assertEquals([checker.underWay, checker.waiting], [2, 2]);
    await clock.advanceAsync(600);
    assertEquals([checker.underWay, checker.waiting], [2, 1]);
    await clock.advanceAsync(500);
    await all[3];
    await clock.advanceAsync(1_000);
    await Promise.all(all);
    assertEquals(ends, [
      "third: half_open_timeout",
      "first: half_open_timeout",
      "fourth: answered",
      "second: half_open_timeout",
    ]);
    assertEquals([checker.underWay, checker.waiting, clock.pending], [0, 0, 0]);
  },
);

halfOpenTest("a thousand checks that can't even begin all fail, a few places notwithstanding", async () => {
  await using checker = startChecker({ maxUnderWay: 3 });
  const checks = Array.from({ length: 1_000 }, () => failure(checker.checkAddress(UNREACHABLE, LONG_MS)));
  assertEquals(new Set((await Promise.all(checks)).map(([failure]) => failure)), new Set(["unreachable"]));
  assertEquals([checker.underWay, checker.waiting], [0, 0]);
});

halfOpenTest("a check that can't even begin fails at once, whatever else is waited for", async () => {
  using backend = await startUnresponsive();
  await using checker = startChecker();
  const end = new AbortController();
  const address = parseAddress(backend.address);
  const other = assertRejects(
    () => checker.checkAddress(address, 0, { signal: end.signal }),
    Error,
    "enough",
  );
  for (let i = 0; i < 5; i++) await settle(); // Until it sleeps.
  assertEquals((await failure(checker.checkAddress(UNREACHABLE, 0)))[0], "unreachable");
  assertEquals(checker.underWay, 1);
  end.abort(new Error("enough"));
  await other;
});

halfOpenTest("an answer counts that came in time, but found the event loop busy", async () => {
  using backend = listenAt("127.0.0.1");
  await using checker = startChecker();
  const checked = checker.checkAddress(backend.address, 20);
  block(100);
  await checked;
});

halfOpenTest("timers have their turns while thousands of checks are made", async () => {
  using backend = listenAt("127.0.0.1");
  await using checker = startChecker();
  let turns = 0;
  let done = false;
  const turning = (async () => {
    for (; !done; turns++) await settle();
  })();
  const check = async () => {
    for (let i = 0; i < 80; i++) await checker.checkAddress(backend.address, LONG_MS);
  };
  await Promise.all(Array.from({ length: 64 }, check));
  done = true;
  await turning;
  assertGreater(turns, 10);
});

halfOpenTest("a host name is resolved, and one address of it that answers is enough", async () => {
  using backend = listenAt("127.0.0.1");
  await using checker = startChecker();
  const named = { ...backend.address, host: "localhost" } as Address;
  await Promise.all([1, 2, 3].map(() => checker.checkAddress(named, LONG_MS)));
  assertEquals(
    await failure(checker.checkAddress(parseAddress("localhost:1"), LONG_MS)),
    ["refused", "ECONNREFUSED", "half_open_connect"],
  );
});

halfOpenTest(
  "a host name that does not exist is distinguished from a backend that does not answer",
  async () => {
    await using checker = startChecker();
    for (const host of ["no..such..host", "127.0.0.1\0.example.org"]) {
      const error = await assertRejects(
        () => checker.checkAddress({ kind: "tcp", host, port: 80 }, LONG_MS),
        HalfOpenResolveError,
        `Cannot resolve "${host}" to check it: `,
      );
      assertEquals(error.code, "half_open_resolve");
    }
  },
);

halfOpenTest("a check of a host name ends with its signal, its timeout and its checker", async () => {
  using backend = await startUnresponsive();
  const { clock, checker } = startInFakeTime();
  const address = { ...parseAddress(backend.address), host: "localhost" } as Address;
  const end = new AbortController();
  // Over IPv6 no address refuses what has not been asked: only 127.0.0.1 counts, as it stays silent.
  const aborted = assertRejects(
    () => checker.checkAddress(address, 0, { signal: end.signal }),
    Error,
    "enough",
  );
  end.abort(new Error("enough"));
  await aborted;
  const late = assertRejects(() => checker.checkAddress(address, 100), HalfOpenTimeoutError);
  await clock.advanceAsync(120);
  await late;
  const closed = assertRejects(() => checker.checkAddress(address, 100), HalfOpenClosedError);
  await checker.close();
  await closed;
  assertEquals(clock.pending, 0);
});

halfOpenTest(
  "a unix socket and an address without a host can't be checked, and the error says so",
  async () => {
    await using checker = startChecker();
    for (const text of ["unix:/run/app.sock", ":80"]) {
      const error = await assertRejects(
        () => checker.checkAddress(parseAddress(text), LONG_MS),
        HalfOpenUnsupportedError,
        `Cannot check "${text}": `,
      );
      assertEquals(error.code, "half_open_unsupported");
    }
  },
);

halfOpenTest("a timeout must be a number from 0 up, and the bound a whole one from 1 up", async () => {
  await using checker = startChecker();
  for (const timeoutMs of [-1, NaN, Infinity]) {
    await assertRejects(() => checker.checkAddress(DEAD, timeoutMs), RangeError, String(timeoutMs));
  }
  for (const maxUnderWay of [0, -1, 1.5, NaN, Infinity]) {
    assertThrows(() => new HalfOpenChecker({ maxUnderWay }), RangeError, String(maxUnderWay));
  }
});

halfOpenTest("a checker is started once, and nothing is checked before", async () => {
  await using checker = new HalfOpenChecker();
  await assertRejects(() => checker.checkAddress(DEAD, LONG_MS), HalfOpenNotStartedError, "127.0.0.1:1");
  let ready = false;
  const waiting = checker.ready.then(() => ready = true);
  await Promise.resolve();
  assertEquals(ready, false);
  checker.start();
  await waiting;
  const error = assertThrows(() => checker.start(), HalfOpenAlreadyStartedError);
  assertEquals(error.code, "half_open_already_started");
  await failure(checker.checkAddress(DEAD, LONG_MS)); // It still works.
});

halfOpenTest(
  "a checker that is closed ends what is under way and what waits, and takes nothing more",
  async () => {
    using backend = await startUnresponsive();
    const checker = startChecker({ maxUnderWay: 1 });
    const address = parseAddress(backend.address);
    const checks = [1, 2, 3].map(() =>
      assertRejects(() => checker.checkAddress(address, 0), HalfOpenClosedError)
    );
    assertEquals([checker.underWay, checker.waiting], [1, 2]);
    const closing = checker.close();
    assertEquals([checker.underWay, checker.waiting], [0, 0]);
    assertEquals((await Promise.all(checks)).map(({ code }) => code), Array(3).fill("half_open_closed"));
    await closing;
    await checker.close();
    await assertRejects(() => checker.checkAddress(address, LONG_MS), HalfOpenClosedError);
    assertThrows(() => checker.start(), HalfOpenClosedError);
  },
);

halfOpenTest("a check that waits for a checker fails if the checker is closed before its start", async () => {
  const checker = new HalfOpenChecker();
  const waiting = assertRejects(() => checker.ready, HalfOpenClosedError);
  await checker.close();
  await waiting;
});

halfOpenTest(
  "a checker without a library it could open says so, and can be started when there is one",
  async () => {
    await using checker = new HalfOpenChecker({ libraryPath: "/nowhere/libc.so.6" });
    for (let i = 0; i < 2; i++) {
      const error = assertThrows(() => checker.start(), HalfOpenUnsupportedError, "/nowhere/libc.so.6");
      assertEquals([error.code, error.cause instanceof Error], ["half_open_unsupported", true]);
    }
  },
);
