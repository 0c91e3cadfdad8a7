import { assertEquals } from "@std/assert";
import { type Flow, flowLine } from "../../src/cli/demo_line.ts";

const NOTHING: Flow = { active: 0, rejected: 0, ended: {}, bytesUp: 0, bytesDown: 0 };

Deno.test("the demo's line says what was served, refused and failed, each apart", () => {
  const shares = [{ name: "a", total: 12 }, { name: "b", total: 2 }];
  const plain = { ...NOTHING, active: 1, ended: { "backend-closed": 11, "no-backend": 2 }, bytesUp: 5 };
  const mutual = { ...NOTHING, rejected: 3, ended: { "tls-no-certificate": 3, handshake: 1 }, bytesDown: 7 };
  assertEquals(
    flowLine([plain, mutual], shares),
    "1 active, 14 served (a 12, b 2), 3 refused, 3 failed, 5 bytes up, 7 bytes down",
  );
  assertEquals(
    flowLine([{ ...plain, ended: {} }], shares),
    "1 active, 14 served (a 12, b 2), 0 refused, 5 bytes up, 0 bytes down",
  );
});

Deno.test("the demo's line is empty until something has come", () => {
  const shares = [{ name: "a", total: 0 }];
  assertEquals(flowLine([NOTHING], shares), "");
  assertEquals(flowLine([{ ...NOTHING, rejected: 1 }], shares).includes("0 served (a 0), 1 refused"), true);
});
