// Heads of requests by themselves: ours, with all that a proxy asks of them, and llhttp as undici has it in WebAssembly,
// with callbacks that only note positions: names and values would still have to be made of them.
// `deno bench -A bench/http_bench.ts`
import { InputBuffer } from "../src/http/input_buffer.ts";
import { RequestHead } from "../src/http/request.ts";
import { Llhttp } from "../tests/support/llhttp.ts";

const SMALL = [
  "GET /api/v1/items/4711?page=2&size=50 HTTP/1.1",
  "Host: shop.example.org",
  "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36",
  "Accept: application/json, text/plain, */*",
  "Accept-Language: en-GB,en;q=0.9",
  "Accept-Encoding: gzip, deflate, br",
  "Connection: keep-alive",
  "Referer: https://shop.example.org/items",
];
const LARGE = [
  ...SMALL,
  'Sec-Ch-Ua: "Chromium";v="126", "Google Chrome";v="126", "Not-A.Brand";v="99"',
  "Sec-Ch-Ua-Mobile: ?0",
  'Sec-Ch-Ua-Platform: "Linux"',
  "Sec-Fetch-Dest: empty",
  "Sec-Fetch-Mode: cors",
  "Sec-Fetch-Site: same-origin",
  `Cookie: session=${"0123456789abcdef".repeat(10)}; consent=${"abcdefgh".repeat(20)}`,
  'If-None-Match: "5f2c1d7a9b"',
  "Cache-Control: max-age=0",
  "X-Requested-With: XMLHttpRequest",
  "Priority: u=1, i",
];

function encode(lines: readonly string[]): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(`${lines.join("\r\n")}\r\n\r\n`);
}

/** Notes positions, as a parser on top of it would. */
class Positions {
  readonly #positions = new Int32Array(1024);
  #count = 0;
  complete = false;

  onUrl(at: number, length: number): void {
    this.#note(at, length);
  }

  onField(at: number, length: number): void {
    this.#note(at, length);
  }

  onValue(at: number, length: number): void {
    this.#note(at, length);
  }

  onHeadersComplete(): void {}

  onBody(): void {}

  onMessageComplete(): void {
    this.complete = true;
    this.#count = 0;
  }

  #note(at: number, length: number): void {
    this.#positions[this.#count++] = at;
    this.#positions[this.#count++] = length;
  }
}

const OUT = new Uint8Array(8192);
for (const [name, lines] of [["small", SMALL], ["large", LARGE]] as const) {
  const bytes = encode(lines);
  const input = new InputBuffer(bytes, bytes.length);
  const head = new RequestHead();
  const group = `a head of ${bytes.length} bytes`;
  Deno.bench(`${name}, culvert`, { group }, () => {
    input.start = 0;
    head.begin();
    if (!head.parse(input)) throw new Error("not complete");
  });
  Deno.bench(`${name}, culvert, and copied without the fields of the connection`, { group }, () => {
    input.start = 0;
    head.begin();
    if (!head.parse(input)) throw new Error("not complete");
    head.fields.copyKept(OUT, 0);
  });
  const events = new Positions();
  const llhttp = new Llhttp("request", { events, maxBytes: bytes.length });
  Deno.bench(`${name}, llhttp`, { group, baseline: true }, () => {
    events.complete = false;
    if (llhttp.execute(bytes) !== 0 || !events.complete) throw new Error("not complete");
  });
}
