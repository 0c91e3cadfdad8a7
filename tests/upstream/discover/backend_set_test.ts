import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import type { BackendSpec } from "../../../src/upstream/options.ts";
import { checkSet, equalSets, joinSets, MAX_BACKENDS } from "../../../src/upstream/discover/backend_set.ts";
import { DiscoveryError } from "../../../src/upstream/discover/errors.ts";
import { spec, specs } from "../upstream_fixture.ts";

const hosts = (set: readonly BackendSpec[]) =>
  set.map(({ address }) => address.kind === "tcp" ? address.host : address.path).join(" ");

Deno.test("sets are joined in their order, and the first mention of an address wins", () => {
  const first = spec("b", { weight: 7 });
  const joined = joinSets([specs("a"), [first, spec("c")], [spec("b", { weight: 9 }), spec("a"), spec("d")]]);
  assertEquals(hosts(joined), "a b c d");
  assertStrictEquals(joined[1], first);
});

Deno.test("the same host at another port is another backend", () => {
  const other = { ...spec("a"), address: { kind: "tcp", host: "a", port: 2 } } as const;
  assertEquals(joinSets([specs("a"), [other]]).length, 2);
});

Deno.test("sets are equal when their backends are, in the same order", () => {
  assert(equalSets(specs("a b"), specs("a b")));
  assert(!equalSets(specs("a b"), specs("b a")));
  assert(!equalSets(specs("a b"), specs("a")));
  assert(!equalSets(specs("a"), [spec("a", { weight: 2 })]));
  assert(!equalSets(specs("a"), [spec("a", { backup: true })]));
  assert(!equalSets(specs("a"), [spec("a", { maxConnections: 2 })]));
  const unix = { ...spec("a"), address: { kind: "unix", path: "a" } } as const;
  assert(!equalSets(specs("a"), [unix]));
  assert(!equalSets([unix], specs("a")));
  assert(equalSets([unix], [{ ...unix, address: { ...unix.address } }]));
});

Deno.test("what can't be a backend is refused, with its place and what is wrong", () => {
  const tcp = (
    host: string,
    port: number,
  ) => ({ ...spec("a"), address: { kind: "tcp", host, port } } as const);
  const cases: [BackendSpec, string][] = [
    [spec("x", { weight: -1 }), "weight is -1, not a whole number from 0 to 65535"],
    [spec("x", { weight: 1.5 }), "weight is 1.5"],
    [spec("x", { weight: NaN }), "weight is NaN"],
    [spec("x", { weight: 65_536 }), "weight is 65536"],
    [spec("x", { maxConnections: -1 }), "maxConnections is -1"],
    [spec("x", { backup: "no" as unknown as boolean }), "backup is no"],
    [tcp("x", 0), `"x:0" can't be dialled`],
    [tcp("x", 65_536), `"x:65536" can't be dialled`],
    [tcp("", 80), `":80" has no host`],
    [{ ...spec("x"), address: { kind: "unix", path: "" } }, `"unix:" can't be dialled`],
  ];
  for (const [bad, message] of cases) {
    const error = assertThrows(() => checkSet([spec("a"), bad]), DiscoveryError, message);
    assertEquals([error.code, error.message.startsWith("Cannot use backend 2 of 2")], ["bad_backend", true]);
  }
  checkSet([spec("a", { weight: 0 }), spec("b", { weight: 65_535 }), tcp("c", 65_535)]);
});

Deno.test("a set may have 65,536 backends and no more", () => {
  const set = Array.from({ length: MAX_BACKENDS }, (_, i) => spec(`10.0.${i >> 8}.${i & 255}`));
  checkSet(set);
  const error = assertThrows(() => checkSet([...set, spec("x")]), DiscoveryError, "a set of 65537 backends");
  assertEquals(error.code, "too_many_backends");
});
