import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  plainText,
  readFailure,
  readRangeAnswer,
  readToken,
  readWatchMessage,
} from "../../../../src/upstream/discover/etcd/answers.ts";
import { BadAnswerError } from "../../../../src/upstream/discover/etcd/error.ts";
import { EtcdKeys, MAX_KEPT_BYTES, MAX_VALUE_BYTES } from "../../../../src/upstream/discover/etcd/keys.ts";
import { readLines, readText } from "../../../../src/upstream/discover/etcd/lines.ts";
import { Mailbox } from "../../../../src/upstream/discover/etcd/mailbox.ts";
import { seededRandom } from "../../../core/seeded_random.ts";
import { run } from "../../../support/child.ts";
import { RecordingLog } from "../../../support/recording_log.ts";
import { FakeEtcd } from "./fake.ts";
import { backend, parseBackend } from "./fixture.ts";

function streamOf(...pieces: readonly (string | Uint8Array)[]): ReadableStream<Uint8Array> {
  return ReadableStream.from(
    pieces.map((piece) => typeof piece === "string" ? new TextEncoder().encode(piece) : piece),
  );
}

async function lines(stream: ReadableStream<Uint8Array>, maxBytes: number): Promise<string[]> {
  return await Array.fromAsync(readLines(stream, maxBytes));
}

Deno.test("etcd: lines come whole wherever the stream was split", async () => {
  const text = "a\n\nbä€\ncc\n\n\nlast";
  const bytes = new TextEncoder().encode(text);
  for (let size = 1; size <= bytes.length; size++) {
    const pieces: Uint8Array[] = [];
    for (let at = 0; at < bytes.length; at += size) pieces.push(bytes.subarray(at, at + size));
    assertEquals(await lines(streamOf(...pieces), 6), ["a", "bä€", "cc", "last"]);
    assertEquals(await readText(streamOf(...pieces), bytes.length), text);
  }
  assertEquals(await lines(streamOf(), 1), []);
});

Deno.test("etcd: a line may have as many bytes as are allowed and no more", async () => {
  assertEquals(await lines(streamOf("1234", "5\n12345\n"), 5), ["12345", "12345"]);
  await assertRejects(() => lines(streamOf("1\n1234", "56"), 5), BadAnswerError);
  await assertRejects(() => readText(streamOf("123", "456"), 5), BadAnswerError);
  await assertRejects(() => lines(streamOf(Uint8Array.of(0xc3), "\n"), 5), BadAnswerError);
});

Deno.test("etcd: answers are read with and without what newer gateways write out", () => {
  const header = { cluster_id: "1", member_id: "2", revision: "3", raft_term: "4" };
  assertEquals(readRangeAnswer({ header, kvs: [], more: false, count: "0" }), {
    ...{ header: { clusterId: "1", revision: 3 }, keys: [], count: 0, more: false },
  });
  const message = { header, watch_id: "0", created: false, canceled: false, compact_revision: "0" };
  const kv = { key: "YQ==", create_revision: "1", mod_revision: "9", version: "1", value: "", lease: "0" };
  assertEquals(
    readWatchMessage({
      result: {
        ...{ ...message, cancel_reason: "", fragment: false },
        events: [{ type: "PUT", kv, prev_kv: null }],
      },
    }).events,
    [{ key: "a", revision: 9, value: "", deleted: false }],
  );
  assertEquals([readFailure({ result: {} }), readFailure({ error: { http_code: 1 } }), readFailure(1)], [
    ...[undefined, "an error without a message", undefined],
  ]);
  assertEquals(plainText(` a\u202e\n\tb\u0000${"c".repeat(300)}`), `a b ${"c".repeat(196)}…`);
});

Deno.test("etcd: no answer, however odd, makes the readers throw anything but a bad answer", () => {
  const random = seededRandom(11);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!;
  const names = ["header", "kvs", "count", "more", "events", "kv", "key", "value", "mod_revision", "type"];
  const more = ["revision", "cluster_id", "result", "error", "message", "canceled", "token", "__proto__"];
  const odd = (depth: number): unknown => {
    if (depth === 0 || random() < 0.3) {
      return pick<unknown>([null, true, "", "YQ==", "7", "x", 0, -1, 1.5, 1e300, "99999999999999999999", []]);
    }
    if (random() < 0.3) return Array.from({ length: 2 }, () => odd(depth - 1));
    return Object.fromEntries(Array.from({ length: 5 }, () => [pick([...names, ...more]), odd(depth - 1)]));
  };
  let good = 0;
  for (let i = 0; i < 1500; i++) {
    const value = odd(4);
    for (const read of [readRangeAnswer, readWatchMessage, readToken, readFailure]) {
      try {
        read(value);
        good++;
      } catch (error) {
        assert(error instanceof BadAnswerError, `${read.name} ${JSON.stringify(value)}: ${error}`);
      }
    }
  }
  assert(good > 0);
});

Deno.test("etcd: keys are in the order of their bytes, and their bytes are bounded", () => {
  const log = new RecordingLog();
  const keys = new EtcdKeys({ parse: parseBackend, log });
  const put = (key: string, value: string) => keys.put({ key, revision: 1, value: btoa(value) });
  for (const [i, key] of ["b", "a/b", "\xc3\xa9", "a", "B"].entries()) put(key, backend(`10.0.0.${i}:1`));
  const hosts = keys.specs().map(({ address }) => address.kind === "tcp" ? address.host : "");
  assertEquals(hosts, ["10.0.0.4", "10.0.0.3", "10.0.0.1", "10.0.0.0", "10.0.0.2"]);
  const long = backend("10.0.0.1:1").padEnd(MAX_VALUE_BYTES);
  assertEquals([put("a", long), put("a", `${long} `), put("a", `${long}  `)], [true, true, false]);
  assertEquals(keys.tooMany, false);
  put("c".repeat(MAX_KEPT_BYTES), "1");
  assertEquals(keys.tooMany, true);
  assertEquals([keys.delete("c".repeat(MAX_KEPT_BYTES)), keys.delete("a"), keys.tooMany], [
    ...[false, false, false],
  ]);
  assertEquals([keys.delete("b"), keys.size], [true, 3]);
});

Deno.test("etcd: a mailbox hands out the latest, and what is there before a failure", async () => {
  const box = new Mailbox<number>();
  const first = box.take();
  box.put(1);
  assertEquals(await first, 1);
  box.put(2);
  box.put(3);
  box.fail(new Error("the first"));
  box.fail(new Error("the second"));
  assertEquals(await box.take(), 3);
  await assertRejects(() => box.take(), Error, "the first");
});

Deno.test("etcd: the environment's proxy is not used, and a permission for the endpoint is enough", async () => {
  await using fake = new FakeEtcd();
  fake.put("a", backend("10.0.0.1:1"));
  await using proxy = new FakeEtcd();
  const program = new URL("program.ts", import.meta.url).pathname;
  const permission = `--allow-net=${new URL(fake.url).host}`;
  const variables = ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"].map((name) =>
    `${name}=${proxy.url}`
  );
  const { code, stdout, stderr } = await run("env", [
    ...variables,
    ...[Deno.execPath(), "run", "--no-check", "--no-prompt", permission, program, fake.url],
  ]);
  assertEquals([code, stdout], [0, '[{"kind":"tcp","host":"10.0.0.1","port":1}]\n'], stderr);
  assertEquals(proxy.asked, []);
});
