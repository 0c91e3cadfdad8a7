/** What the system says when this program, or this machine, has used up what a connection takes. */
const CODES = new Set(["EMFILE", "ENFILE", "ENOBUFS", "ENOMEM", "EADDRNOTAVAIL"]);

/**
 * Whether a dial has failed for lack of local resources: descriptors, memory for sockets, local ports. It says
 * nothing about the peer. A name that could not be resolved for the same reason cannot be distinguished from one that
 * does not exist.
 */
export function isShortage(error: unknown): boolean {
  for (let each = error; each instanceof Error; each = each.cause) {
    if ("code" in each && typeof each.code === "string" && CODES.has(each.code)) return true;
  }
  return false;
}
