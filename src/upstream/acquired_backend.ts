import type { Connection } from "../net/connection.ts";
import type { MysqlPacket } from "../tls/starttls/mysql.ts";
import type { Backend } from "./backend.ts";
import type { OutlierDetector } from "./outlier.ts";
import type { Lease } from "./pool/lease.ts";

/** A connected backend. Its owner ends it once, with `closed`, `discard` or `broke`. */
export class AcquiredBackend {
  readonly backend: Backend;
  readonly lease: Lease;
  /** The greeting of a MySQL server, for a search with `joins`. */
  greeting: MysqlPacket | undefined;
  readonly #outlier: OutlierDetector;

  constructor(backend: Backend, lease: Lease, outlier: OutlierDetector) {
    this.backend = backend;
    this.lease = lease;
    this.#outlier = outlier;
  }

  /** The same over `connection`, a protocol layer on the lease's. Replaces this one. */
  over(connection: Connection): AcquiredBackend {
    return new AcquiredBackend(this.backend, this.lease.over(connection), this.#outlier);
  }

  /** The owner has closed the connection; `broken` by the backend, which had sent `bytes`. */
  closed(broken: boolean, bytes: number): void {
    this.lease.closed();
    this.backend.release();
    if (bytes > 0) this.#outlier.answered(this.backend);
    else if (broken) this.#outlier.broke(this.backend);
  }

  /** Closes the connection. */
  discard(): void {
    this.lease.discard();
    this.backend.release();
  }

  /** Closes the connection, which the backend has broken before it could be used. */
  broke(): void {
    this.discard();
    this.backend.failed();
    this.#outlier.broke(this.backend);
  }
}
