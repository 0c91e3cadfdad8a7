import { CulvertError } from "../../core/errors.ts";

/** A source gave what can't be used: `bad_backend`, `too_many_backends`, `bad_file`, or `bad_source` for its options. */
export class DiscoveryError extends CulvertError {
  /** The name of the class, for logs. */
  override name = "DiscoveryError";
}

/**
 * A name could not be resolved, as opposed to one that has no records: `dns_unreachable`, `dns_timeout`,
 * `dns_malformed`, `dns_truncated`, `dns_refused` (the server says that it can't or won't), `dns_unclear`.
 */
export class DnsError extends CulvertError {
  /** The name of the class, for logs. */
  override name = "DnsError";
}
