import { assertEquals } from "@std/assert";
import { formatIp, ipOfWords, isMapped, parseIp } from "../../src/net/ip.ts";
import { seededRandom } from "../core/seeded_random.ts";

const IPS: readonly [text: string, formatted: string | undefined][] = [
  ["0.0.0.0", "0.0.0.0"],
  ["255.255.255.255", "255.255.255.255"],
  ["1.20.3.100", "1.20.3.100"],
  ["::", "::"],
  ["::1", "::1"],
  ["1::", "1::"],
  ["1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"],
  ["1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"],
  ["::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"],
  ["1:0:0:2:0:0:0:3", "1:0:0:2::3"],
  ["1:0:0:2:3:0:0:4", "1::2:3:0:0:4"],
  ["2001:0DB8::0001", "2001:db8::1"],
  ["64:ff9b::192.0.2.33", "64:ff9b::c000:221"],
  ["1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:102:304"],
  ["::ffff:192.0.2.1", "192.0.2.1"],
  ["::ffff:0:1", "0.0.0.1"],
  ["ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"],
  ["", undefined],
  ["1", undefined],
  ["1.2.3", undefined],
  ["1.2.3.", undefined],
  [".1.2.3", undefined],
  ["1..2.3", undefined],
  ["1.2.3.4.", undefined],
  ["1.2.3.4.5", undefined],
  ["00.0.0.0", undefined],
  ["0x7f.0.0.1", undefined],
  ["1.2.3.1e1", undefined],
  ["+1.2.3.4", undefined],
  ["-1.2.3.4", undefined],
  ["1.2.3.٤", undefined],
  ["1111.2.3.4", undefined],
  [":", undefined],
  [":::", undefined],
  ["1:::2", undefined],
  ["::1::", undefined],
  [":1:2:3:4:5:6:7", undefined],
  [":1::2", undefined],
  ["1::2:", undefined],
  ["1:2:3:4:5:6:7", undefined],
  ["1:2:3:4:5:6:7:8:9", undefined],
  ["1:2:3:4::5:6:7:8", undefined],
  ["12345::", undefined],
  ["g::", undefined],
  ["::1 ", undefined],
  ["::1\n", undefined],
  ["::1.2.3.4:1", undefined],
  ["1.2.3.4::", undefined],
  ["::1.2.3", undefined],
  ["::01.2.3.4", undefined],
  ["1:2:3:4:5:6:7:1.2.3.4", undefined],
  ["fe80::1%eth0", undefined],
];

Deno.test("an IP address is read strictly and written in its shortest form", () => {
  for (const [text, formatted] of IPS) {
    const ip = parseIp(text);
    assertEquals(ip && formatIp(ip), formatted, JSON.stringify(text));
  }
});

const WORDS = [0, 0, 0, 1, 0x1_0000, 0xffff, 0xffff_0000, 0x1234_5678];

Deno.test("bits are an address, and mapped ones the IPv4 address that they stand for", () => {
  assertEquals(ipOfWords([0x0102_0304]), { family: 4, words: [0x0102_0304] });
  assertEquals(ipOfWords([0, 0, 0xffff, 0x0102_0304]), { family: 4, words: [0x0102_0304] });
  assertEquals(ipOfWords([0, 0, 0, 0x0102_0304]), { family: 6, words: [0, 0, 0, 0x0102_0304] });
});

Deno.test("what is written of any IP address is read as the same", () => {
  const random = seededRandom(11);
  for (let i = 0; i < 5_000; i++) {
    // Mostly zeros, so that there are runs of all lengths.
    const words = Array.from({ length: 4 }, () => WORDS[Math.floor(random() * WORDS.length)]!);
    if (isMapped(words)) continue; // an IPv4 address when read
    const text = formatIp({ family: 6, words });
    assertEquals(parseIp(text), { family: 6, words }, text);
  }
});
