import { assertEquals, assertGreater, assertRejects } from "@std/assert";
import { BufferPool } from "../../../src/net/buffers.ts";
import type { Connection } from "../../../src/net/connection.ts";
import { GatheringConnection } from "../../../src/tls/session/gathering_connection.ts";
import { hashAll, seededBytes, sha256, writeAll } from "../../support/bytes.ts";
import { numbers } from "../../support/random.ts";
import { within } from "../../support/wait.ts";
import { pki } from "../tls_fixture.ts";

const RECORD = 16 * 1024;
const NOTHING_IN_USE = { small: 0, medium: 0, large: 0 };

/** Gives out records as the runtime's TLS does: one with each read, at once where there is one. */
class Records implements Connection {
  readonly #come: (Uint8Array | null | Error)[] = [];
  #rest: Uint8Array | undefined;
  #waiting: ((closed: boolean) => void) | undefined;
  #closed = false;
  reads = 0;

  come(...records: (Uint8Array | null | Error)[]): void {
    this.#come.push(...records);
    this.#waiting?.(false);
    this.#waiting = undefined;
  }

  async read(buffer: Uint8Array): Promise<number | null> {
    this.reads++;
    const next = this.#rest ?? this.#come.shift();
    this.#rest = undefined;
    if (this.#closed) throw new Deno.errors.BadResource("closed");
    if (next === undefined) {
      const closed = await new Promise((resolve) => this.#waiting = resolve);
      if (closed) throw new Deno.errors.Interrupted("closed");
      this.reads--;
      return this.read(buffer);
    }
    if (next === null || next instanceof Error) {
      this.#come.unshift(next);
      if (next === null) return null;
      throw next;
    }
    const count = Math.min(next.length, buffer.length);
    buffer.set(next.subarray(0, count));
    if (count < next.length) this.#rest = next.subarray(count);
    return count;
  }

  write(bytes: Uint8Array): Promise<number> {
    return Promise.resolve(bytes.length);
  }

  closeWrite(): Promise<void> {
    return Promise.resolve();
  }

  close(): void {
    this.#closed = true;
    this.#waiting?.(true);
  }
}

function record(value: number, length = RECORD): Uint8Array {
  return new Uint8Array(length).fill(value);
}

function start(options: { maxMedium?: number } = {}) {
  const records = new Records();
  const buffers = new BufferPool(options);
  return { records, buffers, connection: new GatheringConnection(records, buffers) };
}

/** What one read brings: of each value, how many bytes, in the order in which they came. */
async function pieces(connection: Connection, length = 256 * 1024): Promise<[number, number][] | null> {
  const buffer = new Uint8Array(length);
  const count = await within(connection.read(buffer), { what: "what has come" });
  if (count === null) return null;
  const found: [number, number][] = [];
  for (const value of buffer.subarray(0, count)) {
    if (found.at(-1)?.[0] === value) found.at(-1)![1]++;
    else found.push([value, 1]);
  }
  return found;
}

Deno.test("a read brings all records that have come, up to its bound", async () => {
  const { records, buffers, connection } = start();
  records.come(record(1), record(2), record(3, 100), record(4));
  assertEquals(await pieces(connection), [[1, RECORD], [2, RECORD], [3, 100]]);
  assertEquals(await pieces(connection), [[4, RECORD]]);
  records.come(...Array.from({ length: 30 }, () => record(5)));
  const [first] = (await pieces(connection))!;
  assertEquals(first, [5, 12 * RECORD]);
  assertEquals(await pieces(connection, 5 * RECORD + 1), [[5, 5 * RECORD]]);
  assertEquals(buffers.inUse, NOTHING_IN_USE);
});

Deno.test("what has come does not wait for what comes later", async () => {
  const { records, buffers, connection } = start();
  records.come(record(1));
  assertEquals(await pieces(connection), [[1, RECORD]]);
  assertEquals([records.reads, buffers.inUse.medium], [2, 1]); // The second waits, with a buffer of its own.
  const later = pieces(connection);
  records.come(record(2), record(3, 7));
  assertEquals(await later, [[2, RECORD], [3, 7]]);
  assertEquals(buffers.inUse, NOTHING_IN_USE);
});

Deno.test("a short record is given out without a further read, and a small buffer is given no more than it asks for", async () => {
  const { records, buffers, connection } = start();
  records.come(record(1, RECORD - 1));
  assertEquals(await pieces(connection), [[1, RECORD - 1]]);
  records.come(record(2));
  assertEquals(await pieces(connection, RECORD), [[2, RECORD]]);
  assertEquals([records.reads, buffers.inUse], [2, NOTHING_IN_USE]);
});

Deno.test("what a read that waited has brought is given out in pieces, where there is little room", async () => {
  const { records, buffers, connection } = start();
  records.come(record(1));
  await pieces(connection);
  records.come(record(2, 1000));
  assertEquals(await pieces(connection, 600), [[2, 600]]);
  assertEquals(await pieces(connection, 300), [[2, 300]]);
  assertEquals(buffers.inUse.medium, 1);
  assertEquals(await pieces(connection), [[2, 100]]);
  assertEquals(buffers.inUse, NOTHING_IN_USE);
});

Deno.test("an end and an error come after all that came before them", async () => {
  const ended = start();
  ended.records.come(record(1), record(2), null);
  assertEquals(await pieces(ended.connection), [[1, RECORD], [2, RECORD]]);
  assertEquals(await pieces(ended.connection), null);
  assertEquals(await pieces(ended.connection), null);
  assertEquals(ended.buffers.inUse, NOTHING_IN_USE);

  const broken = start();
  broken.records.come(record(1), new Deno.errors.ConnectionReset("reset"));
  assertEquals(await pieces(broken.connection), [[1, RECORD]]);
  await assertRejects(() => pieces(broken.connection), Deno.errors.ConnectionReset);
  assertEquals(broken.buffers.inUse, NOTHING_IN_USE);
});

for (const end of ["close", "abort"] as const) {
  Deno.test(`${end} ends a read that waits, and gives its buffer back`, async () => {
    const asked = start();
    asked.records.come(record(1));
    await pieces(asked.connection);
    const waiting = assertRejects(() => pieces(asked.connection), Deno.errors.Interrupted);
    asked.connection[end]();
    await waiting;
    assertEquals(asked.buffers.inUse, NOTHING_IN_USE);
    await assertRejects(() => pieces(asked.connection), Deno.errors.BadResource);

    const unasked = start();
    unasked.records.come(record(1));
    await pieces(unasked.connection);
    unasked.records.come(record(2));
    for (let turn = 0; turn < 10; turn++) await undefined; // What waited has been brought by now.
    assertEquals(unasked.buffers.inUse.medium, 1);
    unasked.connection[end]();
    assertEquals(unasked.buffers.inUse, NOTHING_IN_USE);
    await assertRejects(() => pieces(unasked.connection), Deno.errors.BadResource);
  });
}

Deno.test("where no buffer is left, records go on one by one", async () => {
  const { records, connection } = start({ maxMedium: 0 });
  records.come(record(1), record(2));
  assertEquals(await pieces(connection), [[1, RECORD]]);
  assertEquals(await pieces(connection), [[2, RECORD]]);
});

Deno.test("whatever the sizes and whenever they come: nothing is lost, and all of it in order", async () => {
  for (let seed = 1; seed <= 50; seed++) {
    const sequence = numbers(seed);
    const random = () => sequence.next().value;
    const { records, buffers, connection } = start();
    const sent = Array.from(
      { length: 40 },
      (_, i) => record(i, random() < 0.7 ? RECORD : 1 + random() * 999),
    );
    const sending = (async () => {
      for (const one of sent) {
        records.come(one);
        if (random() < 0.3) await new Promise((resolve) => setTimeout(resolve, 0));
      }
      records.come(null);
    })();
    const got: [number, number][] = [];
    const sizes = [700, RECORD, 256 * 1024];
    for (let found; (found = await pieces(connection, sizes[Math.trunc(random() * 3)])) !== null;) {
      for (const [value, count] of found) {
        if (got.at(-1)?.[0] === value) got.at(-1)![1] += count;
        else got.push([value, count]);
      }
    }
    await sending;
    assertEquals(got, sent.map((one, i) => [i, one.length]), `seed ${seed}`);
    assertEquals(buffers.inUse, NOTHING_IN_USE, `seed ${seed}`);
  }
});

Deno.test("over the runtime's own TLS more than a record comes at a time, and all of it whole", async () => {
  const { ca, server } = await pki();
  using listener = Deno.listenTls({
    hostname: "127.0.0.1",
    port: 0,
    cert: server.chainPem,
    key: server.keyPem,
  });
  const connecting = Deno.connectTls({
    hostname: "127.0.0.1",
    port: listener.addr.port,
    caCerts: [ca.certPem],
  });
  const accepted = await listener.accept();
  using client = await connecting;
  const buffers = new BufferPool();
  const connection = new GatheringConnection(accepted, buffers);
  const whole = seededBytes(4 * 1024 * 1024, 1);
  const sending = (async () => {
    await writeAll(client, whole);
    await client.closeWrite();
  })();
  let most = 0;
  const watched = {
    read: async (target: Uint8Array) => {
      const count = await connection.read(target);
      most = Math.max(most, count ?? 0);
      return count;
    },
  };
  assertEquals(await hashAll(watched as Connection), { length: whole.length, sha256: sha256(whole) });
  await sending;
  assertGreater(most, RECORD);
  connection.close();
  assertEquals(buffers.inUse, NOTHING_IN_USE);
});
