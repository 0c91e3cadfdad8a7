import { type AllowRule, compileRules } from "../tls/authorize/rules.ts";
import type { PeerIdentity } from "../tls/x509/identity.ts";

/** What a client of the admin API may do: `write` includes `read`. */
export type AccessLevel = "none" | "read" | "write";

/** Which certificates may do what. Rules with `ca` match no client, as they need the path of the certificate. */
export interface AdminAccessRules {
  /** Clients that may see everything. */
  readonly read: readonly AllowRule[];
  /** Clients that may change things as well. */
  readonly write: readonly AllowRule[];
}

/** Decides what clients of the admin API may do, by their certificates. Immutable. */
export class AdminAccess {
  readonly #read: ReturnType<typeof compileRules>;
  readonly #write: ReturnType<typeof compileRules>;

  /** @throws {CulvertError} `bad_rule` */
  constructor(rules: AdminAccessRules) {
    this.#read = compileRules(rules.read);
    this.#write = compileRules(rules.write);
  }

  /** What a client with this certificate may do. Without a certificate it may do nothing. */
  level(identity: PeerIdentity | undefined): AccessLevel {
    if (identity === undefined) return "none";
    if (this.#write(identity) !== undefined) return "write";
    return this.#read(identity) === undefined ? "none" : "read";
  }
}
