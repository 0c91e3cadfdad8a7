import type { ConfigDocument } from "./schema.ts";

/** What works in a good document, but most likely not as it is meant. Each a sentence without a full stop. */
export function findWarnings({ services, upstreams }: ConfigDocument): string[] {
  const used = new Set(services.flatMap(({ upstream, sni = {} }) => [upstream, ...Object.values(sni)]));
  return [
    ...services.filter(({ trusted, proxyProtocol }) => trusted.length > 0 && !proxyProtocol).map(({ name }) =>
      `service ${name}: trusted does nothing without proxyProtocol: true: a PROXY header would go on to the ` +
      "backends as data"
    ),
    ...Object.keys(upstreams).filter((name) => !used.has(name)).map((name) =>
      `upstream ${name}: no service uses it`
    ),
  ];
}
