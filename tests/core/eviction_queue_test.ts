import { assert, assertEquals } from "@std/assert";
import { type EvictionPlace, EvictionQueue } from "../../src/core/eviction_queue.ts";
import { numbers } from "../support/random.ts";

const GRACE_MS = 250;

interface Held {
  readonly at: number;
  source: string;
  readonly place: EvictionPlace<string>;
}

Deno.test("places keep their order and count for their source, whatever place is freed and whenever", () => {
  const random = numbers(7);
  const below = (bound: number) => Math.trunc(random.next().value * bound);
  const queue = new EvictionQueue<string>({ random: () => random.next().value });
  const ended: number[] = [];
  let model: Held[] = [];
  const held = (source: string) => model.filter((one) => one.source === source).length;
  for (let at = 0; at < 2000; at++) {
    const source = "abcdefgh"[below(8)]!;
    const place = queue.add({ sinceMs: at, evict: () => ended.push(at) }, source);
    model.push({ at, source, place });
    const moved = model[below(model.length)]!;
    moved.source = "abcdefgh"[below(8)]!;
    queue.move(moved.place, moved.source);
    for (let left = below(3); left > 0 && model.length > 0; left--) {
      const [gone] = model.splice(below(model.length), 1);
      queue.remove(gone!.place);
      queue.remove(gone!.place); // The second time does nothing.
      queue.move(gone!.place, "a"); // Nor does this.
    }
    const most = Math.max(...model.map((one) => held(one.source)));
    const crowd = model.filter((one) => held(one.source) === most);
    const next = "abcdefghi"[below(9)]!;
    const oldest = crowd[0] !== undefined && (most > held(next) + 1 || at - crowd[0].at >= GRACE_MS);
    const candidate = queue.candidate(next, { nowMs: at, graceMs: GRACE_MS });
    if (model.length === 0) assertEquals(candidate, undefined);
    else if (oldest) assertEquals(candidate, crowd[0]!.place);
    else if (held(next) === most) assertEquals(candidate, undefined);
    else assert(crowd.some((one) => one.place === candidate), "one of the source with the most");
    if (candidate !== undefined && below(4) === 0) {
      queue.evict(candidate, "full");
      const evicted = model.find((one) => one.place === candidate)!;
      assertEquals(ended.at(-1), evicted.at);
      queue.remove(candidate);
      model = model.filter((one) => one !== evicted);
    }
    assertEquals(queue.size, model.length);
  }
});

Deno.test("within the grace each place of the source with the most is evicted now and then", () => {
  const random = numbers(3);
  const queue = new EvictionQueue<string>({ random: () => random.next().value });
  const places = [..."abcde"].map((source) => queue.add({ sinceMs: 0, evict() {} }, source));
  const chosen = Array.from({ length: 200 }, () => queue.candidate("x", { nowMs: 1, graceMs: GRACE_MS })!);
  const times = places.map((place) => chosen.filter((one) => one === place).length);
  assert(times.every((count) => count > 20), `${times}`);
});
