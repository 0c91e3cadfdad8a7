import { parseAddressSet } from "../net/address_set.ts";
import type { ServiceOptions } from "../service/options.ts";
import type { CommonServiceSnapshot } from "./snapshot.ts";

/** The options of a service of any kind. */
export function serviceOptions(
  { name, admission, proxyFrom, timeouts }: CommonServiceSnapshot,
): ServiceOptions {
  const { allow, deny, ...rest } = admission;
  return {
    name,
    admission: {
      ...rest,
      // An empty list accepts no client; only an absent one accepts all.
      ...(allow === undefined ? {} : { allow: parseAddressSet(allow) }),
      ...(deny === undefined ? {} : { deny: parseAddressSet(deny) }),
    },
    ...(proxyFrom === undefined ? {} : { proxyFrom: parseAddressSet(proxyFrom) }),
    timeouts,
  };
}
