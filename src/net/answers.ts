import type { Address } from "./address.ts";
import { formatIp, parseIp } from "./ip.ts";
import { isLoopback } from "./loopback.ts";

/**
 * Whether a dial of `target` reaches a listener that is bound to `listener`, as far as that can be known without asking
 * the system for its addresses: a listener on all addresses is known to answer on loopback. No name but `localhost` is
 * resolved.
 */
export function answers(listener: Address, target: Address): boolean {
  if (listener.kind === "unix" || target.kind === "unix") {
    return listener.kind === "unix" && target.kind === "unix" && listener.path === target.path;
  }
  if (listener.port !== target.port) return false;
  const [bound, dialled] = [hostOf(listener.host), hostOf(target.host)];
  if (bound === dialled) return true;
  // The system takes a dial of the unspecified address for one of loopback.
  const toLoopback = isUnspecified(dialled) || isLoopback(dialled);
  if (isUnspecified(bound)) {
    const isIpv6 = dialled.includes(":") && dialled !== "::";
    return toLoopback && (bound !== "0.0.0.0" || !isIpv6);
  }
  if (!isLoopback(bound) || !toLoopback) return false;
  // Of 127.0.0.0/8 each address is another one; `localhost` and the unspecified address stand for the first.
  const names = ["localhost", "0.0.0.0", "::"];
  const first = ["127.0.0.1", "::1", "localhost"];
  return (names.includes(dialled) && first.includes(bound)) ||
    (bound === "localhost" && first.includes(dialled));
}

/** Whether a listener on this host listens on every address. */
export function isUnspecified(host: string): boolean {
  return host === "" || host === "0.0.0.0" || host === "::";
}

/** The one way to write it; a zone is left out. */
function hostOf(host: string): string {
  const ip = parseIp(host.replace(/%.*$/, ""));
  return ip === undefined ? host.toLowerCase().replace(/\.$/, "") : formatIp(ip);
}
