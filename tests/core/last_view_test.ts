import { assert, assertEquals } from "@std/assert";
import { LastView } from "../../src/core/last_view.ts";

Deno.test("a view is that of the bytes asked for, and the last one again where they are the same", () => {
  const view = new LastView();
  const bytes = Uint8Array.of(0, 1, 2, 3, 4);
  const first = view.take(bytes, 1, 3);
  assertEquals(first, Uint8Array.of(1, 2));
  assert(view.take(bytes, 1, 3) === first);
  assertEquals(view.take(bytes, 1, 4), Uint8Array.of(1, 2, 3));
  assertEquals(view.take(bytes, 2, 5), Uint8Array.of(2, 3, 4));
  assertEquals(view.take(Uint8Array.of(9, 8, 7, 6, 5), 2, 5), Uint8Array.of(7, 6, 5));
});

Deno.test("nothing is held any longer once the array has another owner", () => {
  const view = new LastView();
  const bytes = Uint8Array.of(0, 1, 2);
  const first = view.take(bytes, 0, 2);
  view.clear();
  assert(view.take(bytes, 0, 2) !== first);
});
