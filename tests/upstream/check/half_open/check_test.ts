import { assertEquals, assertRejects } from "@std/assert";
import { parseAddress } from "../../../../src/net/address.ts";
import { HalfOpenCheck } from "../../../../src/upstream/check/half_open_check.ts";
import {
  HalfOpenClosedError,
  HalfOpenConnectError,
} from "../../../../src/upstream/check/half_open/errors.ts";
import { startUnresponsive } from "../../../support/peers.ts";
import { DEAD, halfOpenTest, listenAt, startChecker, UNREACHABLE } from "./fixture.ts";

const never = new AbortController().signal;

halfOpenTest("a backend that listens is fit, and what others are not is told apart", async () => {
  using backend = listenAt("127.0.0.1");
  using silent = await startUnresponsive();
  await using checker = startChecker();
  const check = new HalfOpenCheck({ checker });
  assertEquals(await check.run(backend.address, never), { detail: "answered SYN with SYN-ACK" });
  const refused = await assertRejects(() => check.run(DEAD, never), HalfOpenConnectError);
  assertEquals(refused.message, 'Cannot check "127.0.0.1:1": refused (ECONNREFUSED)');
  const unreachable = await assertRejects(() => check.run(UNREACHABLE, never), HalfOpenConnectError);
  assertEquals(unreachable.failure, "unreachable");
  const end = new AbortController();
  const late = check.run(parseAddress(silent.address), end.signal);
  end.abort(new Error("its time is up"));
  await assertRejects(() => late, Error, "its time is up");
});

halfOpenTest("a check closes its own checker, and leaves one alone that it was given", async () => {
  await using checker = startChecker();
  const given = new HalfOpenCheck({ checker });
  given.close();
  await assertRejects(() => given.run(DEAD, never), HalfOpenConnectError);
  const own = new HalfOpenCheck();
  await assertRejects(() => own.run(DEAD, never), HalfOpenConnectError);
  own.close();
  await assertRejects(() => own.run(DEAD, never), HalfOpenClosedError);
});
