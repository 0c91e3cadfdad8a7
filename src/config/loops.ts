import { OwnListeners } from "../net/own_listeners.ts";
import type { Config } from "./config.ts";
import { upstreamNames } from "./upstream_names.ts";

/** What is said of each listed backend that leads back to this program, as far as that can be known from the text. */
export function findLoops(config: Config): string[] {
  const { admin, services, upstreams } = config;
  const own = new OwnListeners({
    listeners: () => [
      ...services.flatMap(({ name, listen }) => listen.map((address) => ({ address, service: name }))),
      ...(admin === undefined ? [] : [{ address: admin.listen }]),
    ],
    upstreamsOf: (name) => {
      const service = services.find((one) => one.name === name);
      return service === undefined ? [] : upstreamNames(service);
    },
    backendsOf: (name) => upstreams.get(name)?.backends.map(({ address }) => address) ?? [],
  });
  return [...upstreams.values()].flatMap(({ name, backends }) =>
    backends.flatMap(({ address }) => {
      const refusal = own.refusal(name, address);
      return refusal === undefined ? [] : [`upstream ${name}: ${refusal.message}: it is not used`];
    })
  );
}
