// The pool by itself, with connections that cost nothing: what acquiring and giving back cost.
// `deno bench -A bench/pool_bench.ts`
import { type Connection, ConnectionPool } from "../src/mod.ts";

/** A connection on which nothing ever happens. */
class SilentConnection implements Connection {
  #end: ((count: null) => void) | undefined;

  read(): Promise<number | null> {
    return new Promise((resolve) => this.#end = resolve);
  }

  write(bytes: Uint8Array): Promise<number> {
    return Promise.resolve(bytes.length);
  }

  closeWrite(): Promise<void> {
    return Promise.resolve();
  }

  close(): void {
    this.#end?.(null);
  }
}

const dial = () => Promise.resolve(new SilentConnection());
const { signal } = new AbortController();

{
  const pool = new ConnectionPool({ dial, maxOpen: 0 });
  Deno.bench("acquire by dialling, discard", { group: "pool" }, async () => {
    (await pool.acquire({ signal })).discard();
  });
}

{
  const pool = new ConnectionPool({ dial, minIdle: 8, maxOpen: 0 });
  Deno.bench("acquire one that was dialled ahead, discard", { group: "pool" }, async () => {
    (await pool.acquire({ signal })).discard();
  });
}

for (const waiting of [10, 1000]) {
  const pool = new ConnectionPool({ dial, maxOpen: 8, maxIdle: 8 });
  Deno.bench(`${waiting} callers wait in turn for 8 connections`, { group: "waiting" }, async () => {
    await Promise.all(Array.from({ length: waiting }, async () => {
      const lease = await pool.acquire({ signal: new AbortController().signal });
      await Promise.resolve();
      lease.discard();
    }));
  });
}
