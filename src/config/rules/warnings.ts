import { formatAddress } from "../../net/address.ts";
import { formatMode, type ListenAddress } from "../../net/socket_access.ts";
import type { RuleCondition } from "../../tls/authorize/rule_conditions.ts";
import type { AllowRule } from "../../tls/authorize/rules.ts";
import { resolveAddress } from "./resolve_address.ts";
import type { ConfigDocument, ServiceSection } from "../schema/schema.ts";
import { showValue } from "../problem/show_value.ts";
import type { UpstreamSection } from "../schema/upstream_schema.ts";

/**
 * What works in a good document, but most likely not as it is meant. Each a sentence without a full stop. Relative
 * paths are relative to `folder`.
 */
export function findWarnings({ admin, services, upstreams }: ConfigDocument, folder: string): string[] {
  const used = new Set(services.flatMap(namesOf));
  return [
    ...literalStars(admin?.tls?.clientAuth?.allow, "admin"),
    ...literalStars([...admin?.allow?.read ?? [], ...admin?.allow?.write ?? []], "admin.allow"),
    ...(admin === undefined ? [] : openSockets([admin.listen], { place: "admin", folder })),
    ...services.flatMap((service) => ofService(service, folder)),
    ...Object.entries(upstreams).flatMap(([name, upstream]) => ofUpstream(upstream, name)),
    ...vainForwarding({ services, upstreams }),
    ...Object.keys(upstreams).filter((name) => !used.has(name)).map((name) =>
      `upstream ${name}: no service uses it`
    ),
  ];
}

/** The upstreams that a service leads to. */
function namesOf({ upstream, sni = {}, routes = [] }: ServiceSection): unknown[] {
  return [upstream, ...Object.values(sni), ...routes.map((route) => route.upstream)];
}

function ofService(service: ServiceSection, folder: string): string[] {
  const { name, protocol, trusted, proxyProtocol, tls, upstream } = service;
  const place = `service ${name}`;
  const open = openSockets(service.listen, { place, folder });
  const warnings = [
    ...open,
    ...closedSockets(service, folder),
    ...literalStars(tls?.clientAuth?.allow, place),
  ];
  if (protocol === "http") warnings.push(...trustOfAll(service, place));
  else if (trusted.length > 0 && !proxyProtocol) {
    warnings.push(
      `${place}: trusted does nothing without proxyProtocol: true: a PROXY header would go on to the backends as data`,
    );
  }
  return typeof upstream === "object" ? [...warnings, ...ofUpstream(upstream, name)] : warnings;
}

/** Fields such as X-Forwarded-For that any client may write. */
function trustOfAll({ trusted }: ServiceSection, place: string): string[] {
  return trusted.filter((subnet) => subnet.endsWith("/0")).map((subnet) =>
    `${place}: trusted has ${subnet}: any client may claim any address by X-Forwarded-For`
  );
}

/** Unix sockets that every user of the machine may connect to. */
function openSockets(
  listen: readonly ListenAddress[],
  { place, folder }: { place: string; folder: string },
): string[] {
  return listen.flatMap((address) => {
    const { mode = 0 } = address.access ?? {};
    if ((mode & 0o002) === 0) return [];
    const path = formatAddress(resolveAddress(address, folder));
    return [`${place}: every user of this machine may connect to ${path}: its mode is ${formatMode(mode)}`];
  });
}

/** The clients of unix sockets have no addresses, so what names addresses shuts the sockets. */
function closedSockets(
  { name, listen, proxyProtocol, allow = [] }: ServiceSection,
  folder: string,
): string[] {
  const sockets = listen.filter(({ kind }) => kind === "unix");
  // An empty `allow` refuses all clients on purpose.
  const key = proxyProtocol ? "trusted" : allow.length > 0 ? "allow" : undefined;
  if (sockets.length === 0 || key === undefined) return [];
  const closed = sockets.map((address) => formatAddress(resolveAddress(address, folder))).join(", ");
  return [`service ${name}: no client is allowed at ${closed}: ${key} matches no client of a unix socket`];
}

/** Upstreams that pass on TLVs where no client comes with any. */
function vainForwarding({ services, upstreams }: Pick<ConfigDocument, "services" | "upstreams">): string[] {
  const leads = services.flatMap(({ proxyProtocol, ...service }) => [
    ...(typeof service.upstream === "object"
      ? [{ name: service.name, section: service.upstream, proxyProtocol }]
      : []),
    ...namesOf({ proxyProtocol, ...service }).filter((to) => typeof to === "string").map((to) => ({
      name: to,
      section: upstreams[to]!,
      proxyProtocol,
    })),
  ]);
  const fed = new Set(leads.filter(({ proxyProtocol }) => proxyProtocol).map(({ name }) => name));
  const vain = leads.filter(({ name, section }) => forwards(section) && !fed.has(name));
  return [...new Set(vain.map(({ name }) => name))].map((name) =>
    `upstream ${name}: proxyProtocol.forwardTlvs does nothing: no service that leads there has proxyProtocol: true`
  );
}

function forwards({ proxyProtocol }: UpstreamSection): boolean {
  if (typeof proxyProtocol !== "object") return false;
  const { forwardTlvs = false } = proxyProtocol;
  return forwardTlvs === true || (forwardTlvs !== false && forwardTlvs.length > 0);
}

/** Rules with what would be a wildcard elsewhere. */
function literalStars(rules: readonly AllowRule[] = [], place: string): string[] {
  const isLiteral = (rule: RuleCondition) =>
    "cn" in rule ? rule.cn.includes("*") : "ou" in rule && rule.ou.includes("*");
  const conditions = rules.flatMap(({ ca: _ca, ...rule }) => "all" in rule ? rule.all : [rule]);
  return conditions.filter(isLiteral).map((rule) =>
    `${place}: the rule ${showValue(rule)} is compared as it stands: wildcards are for dns and uri only`
  );
}

function ofUpstream({ pool, proxyProtocol, tls }: UpstreamSection, name: string): string[] {
  const place = `upstream ${name}`;
  const warnings = literalStars(tls?.allow, place);
  if (pool.minIdle > 0 && proxyProtocol !== "none") {
    warnings.push(
      `${place}: pool.minIdle together with proxyProtocol: a connection dialled ahead sends no header before it has a client, ` +
        "so a backend that waits for the PROXY header closes it at its own deadline, and it is dialled again",
    );
  }
  return warnings;
}
