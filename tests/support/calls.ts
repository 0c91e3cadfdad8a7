import { assertEquals } from "@std/assert";
import type { LogRecord } from "./log_record.ts";
import type { AdminClient } from "./admin_client.ts";
import { connect, ending, readLine } from "./peers.ts";
import type { Culvert } from "./program.ts";
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

/** A client on each of `count` backends that take turns. */
export async function connectToEach(culvert: Culvert, count: number): Promise<Clients> {
  const clients = new Clients();
  for (let i = 0; i < count; i++) {
    const client = await connect(culvert.port("main"));
    clients.set(await nameOf(client), client);
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
