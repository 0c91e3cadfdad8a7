/** A set of IP addresses and subnets, of both families. Immutable. */
export interface AddressSet {
  /** Whether the set covers `ip`, a literal IPv4 or IPv6 address. An IPv4-mapped one counts as IPv4. */
  has(ip: string): boolean;
}
