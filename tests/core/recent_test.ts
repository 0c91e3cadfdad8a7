import { assertEquals } from "@std/assert";
import { Recent } from "../../src/core/recent.ts";

Deno.test("the last items are kept, the newest first", () => {
  const recent = new Recent<number>(3);
  assertEquals(recent.list(), []);
  const lists = [1, 2, 3, 4, 5, 6, 7].map((item) => {
    recent.add(item);
    return recent.list().join("");
  });
  assertEquals(lists, ["1", "21", "321", "432", "543", "654", "765"]);
});
