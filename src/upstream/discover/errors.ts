import { CulvertError } from "../../core/errors.ts";

/** A source can't be used: `bad_backend`, `too_many_backends`, `bad_file`; `bad_source` for its options. */
export class DiscoveryError extends CulvertError {
  /** The name of the class, for logs. */
  override name = "DiscoveryError";
}

/**
 * A name could not be resolved, which does not include a name without records: `dns_unreachable`, `dns_timeout`,
 * `dns_malformed`, `dns_truncated`, `dns_refused` (an error of the server), `dns_unclear`.
 */
export class DnsError extends CulvertError {
  /** The name of the class, for logs. */
  override name = "DnsError";
}
