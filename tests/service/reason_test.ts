import { assertEquals } from "@std/assert";
import { ConnectionEnded, isCrlRefusal, isRefusal, type Reason, reasonOf } from "../../src/service/reason.ts";
import {
  BackendsDownError,
  ConnectFailedError,
  NoBackendError,
  QueueFullError,
  QueueTimeoutError,
} from "../../src/upstream/errors.ts";

Deno.test("rules, limits and TLS refuse a client; timeouts, backends and the client itself do not", () => {
  const refusals: Reason[] = [
    "refused-by-deny",
    "refused-by-allow",
    "refused-by-rate",
    "refused-by-limit",
    "refused-by-handshakes",
    "refused-by-descriptors",
    "refused-by-proxy",
    "refused-by-name",
    "tls-unknown-ca",
    "tls-crl-missing",
  ];
  const others: Reason[] = ["client-closed", "handshake", "idle", "no-backend", "no-descriptors", "cut"];
  assertEquals(refusals.filter((reason) => !isRefusal(reason)), []);
  assertEquals(others.filter(isRefusal), []);
  assertEquals(refusals.filter(isCrlRefusal), ["tls-crl-missing"]);
});

Deno.test("each error has its reason", () => {
  const expected: readonly (readonly [error: unknown, reason: Reason])[] = [
    [new ConnectionEnded("refused-by-proxy"), "refused-by-proxy"],
    [new NoBackendError("db"), "no-backend"],
    [new BackendsDownError("db", "1 down"), "backends-down"],
    [new QueueFullError("db", 1), "queue-full"],
    [new QueueTimeoutError("db", 1), "queue-timeout"],
    [new ConnectFailedError("db", { tries: 1, cause: undefined }), "connect-failed"],
    [new Error("anything else"), "connect-failed"],
  ];
  for (const [error, reason] of expected) assertEquals(reasonOf(error), reason);
});
