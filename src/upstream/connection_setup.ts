import { onAbort } from "../core/wait.ts";
import { writeAll } from "../net/connection.ts";
import type { TlsConnect } from "../tls/dial.ts";
import type { MysqlPacket } from "../tls/starttls/mysql.ts";
import { readMysqlGreeting } from "../tls/starttls/mysql_login.ts";
import type { StartTlsName } from "../tls/starttls/protocol.ts";
import { skipGreeting } from "../tls/starttls/start_tls.ts";
import type { Backend } from "./backend.ts";
import type { Lease } from "./pool/lease.ts";

/** What {@linkcode setUpConnection} does, in this order; what is absent is not done. */
export interface ConnectionSetupOptions {
  /** The backend that the connection leads to. */
  readonly backend: Backend;
  /** Aborts; the connection is closed then. */
  readonly signal: AbortSignal;
  /** A PROXY header that is sent first. */
  readonly header: Uint8Array | undefined;
  /** Speaks TLS behind the header. */
  readonly connectTls: TlsConnect | undefined;
  /** The protocol whose greeting is read, as the client has been sent one already. */
  readonly greeted: StartTlsName | undefined;
  /** A MySQL greeting is read and kept; with `tls` it must offer TLS. */
  readonly joins: { readonly tls: boolean } | undefined;
}

/**
 * Sets up a connection of a pool for one client. Resolves to the lease to use, which replaces `lease`, and the greeting
 * that was kept. If it fails, the connection is closed, and the backend has failed.
 */
export async function setUpConnection(
  lease: Lease,
  options: ConnectionSetupOptions,
): Promise<{ lease: Lease; greeting: MysqlPacket | undefined }> {
  const { backend, signal, header, connectTls, greeted, joins } = options;
  if (header !== undefined) await orDiscard(lease, { signal, work: (to) => writeAll(to, header) });
  let used = lease;
  // A connection of an earlier configuration may speak TLS already. It is not used anyway.
  if (connectTls !== undefined && backend.pool.isCurrent(used)) used = await secure(used, options);
  if (greeted !== undefined && backend.pool.isCurrent(used)) {
    const work = (connection: Lease["connection"]) => skipGreeting(connection, { protocol: greeted, signal });
    used = used.over(await orDiscard(used, { signal, work }));
  }
  if (joins === undefined) return { lease: used, greeting: undefined };
  const greeting = await orDiscard(used, { signal, work: (from) => readMysqlGreeting(from, joins) });
  return { lease: used, greeting };
}

async function secure(
  lease: Lease,
  { backend, signal, connectTls }: ConnectionSetupOptions,
): Promise<Lease> {
  const { connection } = lease;
  try {
    const session = await connectTls!({ kind: "open", address: backend.address, connection }, signal);
    return lease.over(session.connection);
  } catch (error) {
    lease.discard();
    throw error;
  }
}

/** Closes the connection if `work` fails, and when `signal` aborts, which ends a read or write under way. */
async function orDiscard<T>(
  lease: Lease,
  { signal, work }: { signal: AbortSignal; work: (connection: Lease["connection"]) => Promise<T> },
): Promise<T> {
  using _abort = onAbort(signal, () => lease.discard());
  try {
    return await work(lease.connection);
  } catch (error) {
    lease.discard();
    throw signal.aborted ? signal.reason : error;
  }
}
