import { assert, assertEquals } from "@std/assert";
import { CulvertError } from "../../../src/core/errors.ts";
import { formatProxyV2 } from "../../../src/net/proxy_protocol/format_v2.ts";
import { parseProxyHeader } from "../../../src/net/proxy_protocol/read.ts";
import { seededRandom } from "../../core/seeded_random.ts";
import { mutate } from "../mutate.ts";
import { V1, V2 } from "./vectors.ts";

const GOOD = [...V1, ...V2].map(({ bytes }) => bytes);
const MOST_BYTES = 32_784;

/**
 * Whatever the bytes are, they are read, or are too few, or are refused; and no byte beyond the header
 * counts.
 */
function check(bytes: Uint8Array, context: string): void {
  const parsed = parse(bytes, context);
  if (parsed === undefined) return;
  if (parsed.kind === "incomplete") {
    assert(parsed.atLeast > bytes.length && parsed.atLeast <= MOST_BYTES, context);
    return;
  }
  const { header, length } = parsed;
  assert(length <= bytes.length && length <= MOST_BYTES, context);
  assertEquals(parse(bytes.slice(0, length), context), parsed, context);
  assertEquals((header.endpoints === undefined) === (header.kind !== "proxy"), true, context);
  if (header.version === 1 || header.endpoints === undefined) return;
  // What it means can be written, and then means the same.
  const again = parse(formatProxyV2({ ...header.endpoints, tlvs: header.tlvs }), context);
  assert(again?.kind === "header", context);
  assertEquals(again.header, header, context);
}

function parse(bytes: Uint8Array, context: string) {
  try {
    return parseProxyHeader(bytes);
  } catch (error) {
    if (error instanceof CulvertError && error.code === "bad_proxy_header") return undefined;
    throw new Error(context, { cause: error });
  }
}

Deno.test("mutated headers are read or refused, and never anything else", () => {
  for (let seed = 1; seed <= 8000; seed++) {
    const random = seededRandom(seed);
    check(mutate(GOOD[Math.floor(random() * GOOD.length)]!, random), `seed ${seed}`);
  }
});

Deno.test("random bytes behind a good beginning are read or refused, and never anything else", () => {
  for (let seed = 1; seed <= 4000; seed++) {
    const random = seededRandom(seed);
    const good = GOOD[Math.floor(random() * GOOD.length)]!;
    const kept = Math.floor(random() * good.length);
    const bytes = Uint8Array.from({ length: kept + Math.floor(random() * 200) }, () => random() * 256);
    bytes.set(good.subarray(0, kept));
    check(bytes, `seed ${seed}`);
  }
});
