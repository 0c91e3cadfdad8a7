import { assertEquals } from "@std/assert";
import { parseAddress } from "../../../src/net/address.ts";
import { parseAddressSet } from "../../../src/net/address_set.ts";
import type { BackendSpec } from "../../../src/upstream/options.ts";
import { boundedSource } from "../../../src/upstream/discover/bounded_source.ts";
import { RecordingLog } from "../../support/recording_log.ts";

const at = (address: string): BackendSpec => ({
  address: parseAddress(address),
  weight: 1,
  maxConnections: 0,
  backup: false,
});

Deno.test("only backends within the range are used, and an ignored one is logged once", async () => {
  const [inside, other, outside, name, socket] = [
    "10.1.2.3:80",
    "[fd00::1]:80",
    "192.0.2.1:80",
    "db.internal:80",
    "unix:/run/a",
  ].map(at);
  const failure = new Error("for a while");
  const sets = [[inside!, outside!], [inside!, other!], failure, [outside!, name!, socket!], [outside!], []];
  const log = new RecordingLog();
  const source = boundedSource(async function* () {
    for (const set of sets) yield await Promise.resolve(set);
  }, { within: parseAddressSet(["10.0.0.0/8", "fd00::/8"]), name: "dns db", log });

  const taken = [];
  for await (const set of source(new AbortController().signal)) taken.push(set);
  assertEquals(taken, [[inside!], [inside!, other!], failure, [], [], []]);
  assertEquals(
    log.lines.map(({ level, fields }) => `${level} ${fields.source} ${fields.backend}`),
    ["192.0.2.1:80", "db.internal:80", "unix:/run/a"].map((backend) => `warn dns db ${backend}`),
  );
});
