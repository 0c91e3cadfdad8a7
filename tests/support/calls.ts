import { assertEquals } from "@std/assert";
import type { LogRecord } from "./log_record.ts";
import type { AdminClient } from "./admin_client.ts";
import { connect, ending, readLine } from "./peers.ts";
import { type Culvert, THREADS } from "./program.ts";
import { until, within } from "./wait.ts";

/** The names of the backends that serve as many clients, one after the other. */
export async function callOneByOne(culvert: Culvert, count: number): Promise<string[]> {
  const names: string[] = [];
  for (let i = 0; i < count; i++) {
    using client = await connect(culvert.port("main"));
    names.push(await nameOf(client));
  }
  return names;
}

/**
 * Clients come one after the other, and backends of the same weight serve them in turn. Several threads each have a
 * round of their own, so that each backend serves at least one.
 */
export async function callInTurn(
  culvert: Culvert,
  { names, rounds }: { names: readonly string[]; rounds: number },
): Promise<void> {
  const heard = await callOneByOne(culvert, names.length * rounds * THREADS);
  assertEquals(new Set(heard), new Set(names));
  const counts = names.map((name) => heard.filter((each) => each === name).length);
  if (THREADS === 1) assertEquals(counts, names.map(() => rounds));
}

/** Clients by the names of their backends. */
export class Clients extends Map<string, Deno.TcpConn> implements Disposable {
  /** They all leave. */
  leave(): void {
    for (const client of this.values()) client.close();
    this.clear();
  }

  [Symbol.dispose](): void {
    this.leave();
  }
}

/** A client on each of `count` backends that take turns, which those of several threads do by themselves. */
export async function connectToEach(culvert: Culvert, count: number): Promise<Clients> {
  const clients = new Clients();
  for (let i = 0; i < count * THREADS; i++) {
    const client = await connect(culvert.port("main"));
    const name = await nameOf(client);
    if (clients.has(name) && THREADS > 1) client.close();
    else clients.set(name, client);
  }
  assertEquals(clients.size, count);
  return clients;
}

/** Resolves when the program has closed this client's connection. */
export async function closed(client: Deno.Conn): Promise<void> {
  await within(ending(client), { what: "the connection to be closed", timeoutMs: 10_000 });
}

/** A client that no backend serves: the program closes its connection. */
export async function callInVain(culvert: Culvert): Promise<void> {
  using client = await connect(culvert.port("main"));
  await closed(client);
}

/** What a backend calls itself. */
function nameOf(client: Deno.Conn): Promise<string> {
  return within(readLine(client), { what: "a backend's name", timeoutMs: 10_000 });
}

/** Resolves when no client is connected any more and the ends of all connections have been read from the log. */
export async function allClosed(culvert: Culvert, admin: AdminClient): Promise<void> {
  const ends = () => culvert.found({ message: "connection closed" }).length;
  let rest = "";
  await until(async () => {
    const { services } = await admin.status();
    const sum = (of: "active" | "total") => services.reduce((sum, service) => sum + service[of], 0);
    rest = `${sum("active")} of ${sum("total")} connections are active, ${ends()} ends are logged`;
    return sum("active") === 0 && ends() >= sum("total");
  }, { what: "all connections to end", context: () => rest });
}

/** The ends of connections that no client has asked for. */
export function badEnds(culvert: Culvert): LogRecord[] {
  return culvert.found(({ message, reason }) =>
    message === "connection closed" && reason !== "client-closed" && reason !== "drained"
  );
}

/** When a record was written, or another of its times, in milliseconds since 1970. */
export function timeOf(record: LogRecord, field = "@timestamp"): number {
  return Date.parse(String(record[field]));
}
