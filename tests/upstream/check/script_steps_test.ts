import { assertEquals, assertThrows } from "@std/assert";
import { CulvertError } from "../../../src/core/errors.ts";
import { compileScript, parseHex, type ScriptStep } from "../../../src/upstream/check/script_steps.ts";

Deno.test("hexadecimal digits are read, with blanks between them or not", () => {
  assertEquals(parseHex("00ff7F"), Uint8Array.of(0, 255, 127));
  assertEquals(parseHex(" 00 00\n00\t08 04d2 162f "), Uint8Array.of(0, 0, 0, 8, 4, 0xd2, 0x16, 0x2f));
  assertEquals(parseHex(""), new Uint8Array(0));
});

Deno.test("invalid hexadecimal is refused with the reason", () => {
  const wrong: [text: string, message: string][] = [
    ["0g", 'Cannot read "0g" as hexadecimal: "g" is no hexadecimal digit'],
    ["0x00", '"x" is no hexadecimal digit'],
    ["00,00", '"," is no hexadecimal digit'],
    ["😀", '"😀" is no hexadecimal digit'],
    ["000", 'Cannot read "000" as hexadecimal: 3 digits do not make whole bytes'],
  ];
  for (const [text, message] of wrong) {
    assertEquals(assertThrows(() => parseHex(text), CulvertError, message).code, "bad_hex");
  }
});

Deno.test("a script that could not work, or not fail, is refused, and its step named", () => {
  const wrong: [steps: unknown[], message: string][] = [
    [[], "Cannot use the script: it expects nothing, so it could never fail"],
    [[{ send: "x" }], "it expects nothing, so it could never fail"],
    [[{ send: "x" }, { expect: "" }], "Cannot use step 2 of the script: there is nothing to expect"],
    [[{ send: "" }, { expect: "x" }], "Cannot use step 1 of the script: there is nothing to send"],
    [[{ expectHex: " " }], "there is nothing to expect"],
    [[{ expectHex: "0" }], 'Cannot use step 1 of the script: Cannot read "0" as hexadecimal: 1 digit'],
    [[{}], "it must be one of send, sendHex, expect, expectHex"],
    [[{ send: "x", expect: "y" }], "it must be one of"],
    [[{ expect: "x", foo: 1 }], "it must be one of"],
    [[{ expect: "x" }, { foo: "y" }], "Cannot use step 2 of the script: it must be one of"],
    [["PING"], "it must be one of"],
    [[null], "it must be one of"],
    [[1], "it must be one of"],
    [[["expect", "x"]], "it must be one of"],
    [[["x"]], "it must be one of"],
    [[{ send: 5 }, { expect: "x" }], "Cannot use step 1 of the script: send must be a text"],
    [[{ expect: null }], "expect must be a text"],
    [[{ expectHex: 22 }], "expectHex must be a text"],
    [[{ expect: "x".repeat(65_537) }], "no more than 65536 bytes can be expected"],
  ];
  for (const [steps, message] of wrong) {
    const error = assertThrows(() => compileScript(steps as ScriptStep[]), CulvertError, message);
    assertEquals(error.code, "bad_script");
  }
});
