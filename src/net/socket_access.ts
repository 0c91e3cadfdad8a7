import { CulvertError } from "../core/errors.ts";
import type { Address } from "./address.ts";

/** The users that may connect to a unix socket. */
export interface SocketAccess {
  /** The permission bits: connecting needs write permission. @default {0o600} */
  readonly mode?: number;
  /** The group, by its name or number. @default that of the program, or of a folder that hands on its own */
  readonly group?: string | number;
}

/** Where to listen, with the access to a unix socket. */
export type ListenAddress = Address & { readonly access?: SocketAccess };

/** Where the names of groups stand. */
export const GROUP_FILE = "/etc/group";

const OWNER_ONLY = 0o600;
/** Write permission for the group and for others. */
const OTHERS_MAY_CONNECT = 0o022;

/** As `ls` and `chmod` write it: `0660`. */
export function formatMode(mode: number): string {
  return mode.toString(8).padStart(4, "0");
}

/**
 * The number of a group. A name is looked up in `/etc/group` and nowhere else.
 *
 * @throws {CulvertError} `unknown_group` for a name that is not there.
 */
export async function groupId(group: string | number): Promise<number> {
  if (typeof group === "number") return group;
  for (const line of (await Deno.readTextFile(GROUP_FILE)).split("\n")) {
    const [name, , gid = ""] = line.split(":");
    if (name === group && /^\d+$/.test(gid)) return Number(gid);
  }
  throw new CulvertError("unknown_group", `Cannot find the group "${group}" in ${GROUP_FILE}`);
}

/**
 * Binds a unix socket to which only its owner and root can connect. The umask is changed for the moment of
 * binding where that is permitted (`--allow-sys`, which cannot be narrowed to it). Where it is not, the umask must keep others out by itself: if
 * it did not, the socket is closed again, with all connections that wait in it.
 */
export function bindOwnSocket(path: string): Deno.UnixListener {
  const { state } = Deno.permissions.querySync({ name: "sys", kind: "umask" });
  const before = state === "granted" ? Deno.umask(0o177) : undefined;
  let listener: Deno.UnixListener;
  try {
    listener = Deno.listen({ transport: "unix", path });
  } finally {
    if (before !== undefined) Deno.umask(before);
  }
  const { mode } = Deno.lstatSync(path);
  if (mode === null || (mode & OTHERS_MAY_CONNECT) === 0) return listener;
  listener.close();
  throw new Error(
    "the umask would let others connect before the socket has its mode; start with umask 022, or add --allow-sys",
  );
}

/**
 * Gives a socket its group and mode. Until it has both, only its owner can connect, even if others could before.
 *
 * @throws {CulvertError} `unknown_group`, and whatever the runtime throws.
 */
export async function setAccess(
  path: string,
  { mode = OWNER_ONLY, group }: SocketAccess = {},
): Promise<void> {
  await Deno.chmod(path, OWNER_ONLY);
  if (group !== undefined) await Deno.chown(path, null, await groupId(group));
  if (mode !== OWNER_ONLY) await Deno.chmod(path, mode);
}
