import {
  type AddressesByKey,
  type BoundAddresses,
  keyed,
  type ListenersRole,
} from "../dataplane/listeners.ts";
import type { Snapshot } from "../dataplane/snapshot.ts";
import type { Address } from "../net/address.ts";
import type { Member } from "./member.ts";
import type { Slots } from "./messages.ts";

/**
 * Prepares a plan in these workers, one after the other. The first one binds what is new, and tells where; the others
 * bind the same when the plan is committed. Returns what is bound then.
 */
export async function prepareWorkers(
  members: Iterable<Member>,
  { snapshot, slots, wanted, known }: {
    snapshot: Snapshot;
    slots: Slots;
    wanted: number;
    known: AddressesByKey;
  },
): Promise<AddressesByKey> {
  const addresses = new Map(known);
  let bindsFirst = true;
  for (const { number, leaving, thread } of [...members].sort((a, b) => a.number - b.number)) {
    if (leaving && thread.ended) continue;
    await thread.loaded;
    const leaves = leaving || number > wanted;
    const transports = leaves ? "none" : "tcp";
    const role: ListenersRole = { transports, bindsFirst: bindsFirst && !leaves, elsewhere: addresses };
    const own = await thread.ask("prepare", { snapshot, role, slots }).catch((error) => {
      // One that leaves may have ended with its last connection meanwhile.
      if (leaving && thread.ended) return [];
      throw error;
    });
    for (const [key, address] of own) addresses.set(key, address);
    if (!leaves) bindsFirst = false;
  }
  return addresses;
}

/** Those addresses that a snapshot names. */
export function namedBy({ services }: Snapshot, addresses: AddressesByKey): AddressesByKey {
  return new Map(
    services.flatMap((service) =>
      [...keyed(service, "all")].flatMap(([key]): [string, Address][] => {
        const address = addresses.get(key);
        return address === undefined ? [] : [[key, address]];
      })
    ),
  );
}

/** The addresses of each service. */
export function boundBy({ services }: Snapshot, addresses: AddressesByKey): BoundAddresses {
  return new Map(services.map((service) => [
    service.name,
    [...keyed(service, "all")].flatMap(([key]) => addresses.get(key) ?? []),
  ]));
}
