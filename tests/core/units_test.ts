import { assertEquals, assertThrows } from "@std/assert";
import { CulvertError } from "../../src/core/errors.ts";
import {
  formatDuration,
  formatSize,
  MAX_DURATION_MS,
  MAX_SIZE_BYTES,
  parseDuration,
  parseSize,
} from "../../src/core/units.ts";

const DURATIONS: readonly [string | number, number][] = [
  ["250ms", 250],
  ["10s", 10_000],
  ["5m", 300_000],
  ["1h", 3_600_000],
  ["1.5s", 1500],
  ["1.1s", 1100],
  ["0.001s", 1],
  ["0.5m", 30_000],
  ["0", 0],
  [0, 0],
  ["0s", 0],
  ["0ms", 0],
  ["576h", MAX_DURATION_MS],
];

for (const [input, expected] of DURATIONS) {
  Deno.test(`the duration ${JSON.stringify(input)} is ${expected} ms`, () => {
    assertEquals(parseDuration(input), expected);
  });
}

const BAD_DURATIONS: readonly (string | number)[] = [
  "",
  "10",
  10,
  0.5,
  -1,
  NaN,
  Infinity,
  "s",
  "-1s",
  "+1s",
  "1 s",
  " 1s",
  "1s ",
  "1s\n",
  "1S",
  "1d",
  "1sec",
  "1h30m",
  ".5s",
  "1.s",
  "1e3s",
  "0x10s",
  "0.5ms",
  "1.0001s",
  "577h",
  "2073600001ms",
  "99999999999999999999s",
  "１s",
];

for (const input of BAD_DURATIONS) {
  Deno.test(`${JSON.stringify(input)} (${typeof input}) is no duration`, () => {
    const error = assertThrows(() => parseDuration(input), CulvertError, "Cannot read duration");
    assertEquals(error.code, "bad_duration");
  });
}

Deno.test("the longest duration fits the runtime's timer", () => {
  assertEquals(MAX_DURATION_MS < 2 ** 31, true);
});

const SIZES: readonly [string | number, number][] = [
  ["16KiB", 16_384],
  ["1MiB", 1_048_576],
  ["1GiB", 1_073_741_824],
  ["1.5KiB", 1536],
  ["0", 0],
  [0, 0],
  ["1000", 1000],
  [65_536, 65_536],
  ["1024GiB", MAX_SIZE_BYTES],
  [MAX_SIZE_BYTES, MAX_SIZE_BYTES],
];

for (const [input, expected] of SIZES) {
  Deno.test(`the size ${JSON.stringify(input)} is ${expected} bytes`, () => {
    assertEquals(parseSize(input), expected);
  });
}

const BAD_SIZES: readonly (string | number)[] = [
  "",
  "KiB",
  "-1",
  -1,
  1.5,
  "1.5",
  "1KB",
  "1kib",
  "1K",
  "1TiB",
  "1 KiB",
  "0.0001KiB",
  "1025GiB",
  MAX_SIZE_BYTES + 1,
  1e300,
  NaN,
  Infinity,
];

for (const input of BAD_SIZES) {
  Deno.test(`${JSON.stringify(input)} (${typeof input}, ${input}) is no size`, () => {
    const error = assertThrows(() => parseSize(input), CulvertError, "Cannot read size");
    assertEquals(error.code, "bad_size");
  });
}

const WRITTEN_DURATIONS: readonly [number, string][] = [
  [0, "0"],
  [1, "1ms"],
  [1500, "1500ms"],
  [10_000, "10s"],
  [90_000, "90s"],
  [120_000, "2m"],
  [3_600_000, "1h"],
  [12.4, "12ms"],
  [0.4, "0"],
];

for (const [ms, expected] of WRITTEN_DURATIONS) {
  Deno.test(`${ms} ms is written ${expected}`, () => assertEquals(formatDuration(ms), expected));
}

const WRITTEN_SIZES: readonly [number, string][] = [
  [0, "0"],
  [1000, "1000"],
  [1536, "1536"],
  [16_384, "16KiB"],
  [1_048_576, "1MiB"],
  [3 * 2 ** 30, "3GiB"],
];

for (const [bytes, expected] of WRITTEN_SIZES) {
  Deno.test(`${bytes} bytes are written ${expected}`, () => assertEquals(formatSize(bytes), expected));
}

Deno.test("what is written can be read again", () => {
  for (const ms of [0, 1, 999, 1000, 61_000, 3_599_999, MAX_DURATION_MS]) {
    assertEquals(parseDuration(formatDuration(ms)), ms);
  }
  for (const bytes of [0, 1, 1023, 1024, 1025, 2 ** 20, MAX_SIZE_BYTES]) {
    assertEquals(parseSize(formatSize(bytes)), bytes);
  }
});
