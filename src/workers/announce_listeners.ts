import type { Log } from "../core/log.ts";
import { type AddressesByKey, keyed } from "../dataplane/listeners.ts";
import type { Snapshot } from "../dataplane/snapshot.ts";
import { formatAddress } from "../net/address.ts";

/** Logs the listeners of all threads, once, in the order of the configuration. */
export function announceListeners(
  log: Log,
  { snapshot, before, after, hadWorkers }: {
    snapshot: Snapshot;
    before: AddressesByKey;
    after: AddressesByKey;
    hadWorkers: boolean;
  },
): void {
  for (const { name: service, listen } of snapshot.services) {
    for (const [key] of keyed({ name: service, listen }, "all")) {
      const address = after.get(key);
      if (address === undefined || before.has(key)) continue;
      log.info("listening", { service, listener: formatAddress(address) });
    }
  }
  for (const [key, address] of hadWorkers ? before : []) {
    if (address.kind === "tcp" && !after.has(key)) {
      log.info("stopped listening", { listener: formatAddress(address) });
    }
  }
}
