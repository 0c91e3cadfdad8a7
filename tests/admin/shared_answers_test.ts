import { assertEquals, assertRejects } from "@std/assert";
import { jsonResponse } from "../../src/admin/admin_response.ts";
import { SharedAnswers } from "../../src/admin/shared_answers.ts";
import { FakeClock } from "../core/fake_clock.ts";

Deno.test("an answer is made once a second for all that ask, and once more after a change", async () => {
  const clock = new FakeClock();
  const answers = new SharedAnswers(clock);
  let made = 0;
  const ask = (question: string) =>
    answers.get(question, () => Promise.resolve(jsonResponse(200, ++made))).then(({ body }) => Number(body));
  assertEquals([await ask("a"), await ask("a"), await ask("b")], [1, 1, 2]);
  clock.advance(999);
  assertEquals(await ask("a"), 1);
  clock.advance(1);
  assertEquals([await ask("a"), await ask("a")], [3, 3]);
  answers.clear();
  assertEquals(await ask("a"), 4);
  for (let i = 0; i < 16; i++) await ask(`other ${i}`);
  assertEquals(await ask("a"), 21); // The oldest ones make room.
});

Deno.test("what could not be answered is asked again", async () => {
  const answers = new SharedAnswers(new FakeClock());
  await assertRejects(() => answers.get("a", () => Promise.reject(new Error("no"))), Error, "no");
  assertEquals((await answers.get("a", () => Promise.resolve(jsonResponse(200, 1)))).status, 200);
});
