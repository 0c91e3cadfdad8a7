import { dirname } from "node:path";
import type { Config } from "../config/config.ts";
import type { FileFault } from "../config/file_faults.ts";
import type { Path } from "../config/problem/problem.ts";
import { describeError } from "../core/errors.ts";
import { formatAddress } from "../net/address.ts";
import { parseIp } from "../net/ip.ts";
import { isLoopback } from "../net/loopback.ts";
import { mayIgnoreModes, mayListenOn } from "./capabilities.ts";
import { GROUP_FILE, groupId, type ListenAddress } from "../net/socket_access.ts";

/** What would be in the way of listening. */
export interface ListenerFindings {
  /** What listening would fail with. */
  readonly faults: FileFault[];
  /** What it may fail with; a line each. */
  readonly warnings: string[];
}

/** The first port that needs no right of its own, unless the system says otherwise. */
const FIRST_FREE_PORT = 1024;
const NEEDS_RIGHT = "needs root, CAP_NET_BIND_SERVICE, or a lower net.ipv4.ip_unprivileged_port_start";

/**
 * Looks for what listening would fail with, without binding anything. Only what the permissions of the program let it
 * see is looked at: folders and files of unix sockets (`--allow-read`), groups (`--allow-read=/etc/group`), the user
 * (`--allow-sys=uid`), the addresses of the machine (`--allow-sys=networkInterfaces`), and capabilities
 * (`--allow-all`). Whether a port is free is not looked at: most likely it is the program itself that has it.
 */
export async function findListenerFaults(config: Config): Promise<ListenerFindings> {
  const findings: ListenerFindings = { faults: [], warnings: [] };
  const listeners: [ListenAddress, Path, string][] = config.services.flatMap(({ name, listen }, service) =>
    listen.map((address, index): [ListenAddress, Path, string] => [
      address,
      ["services", service, "listen", index],
      `service ${name}`,
    ])
  );
  if (config.admin !== undefined) listeners.push([config.admin.listen, ["admin", "listen"], "admin"]);
  for (const [address, path, who] of listeners) {
    if (address.kind === "unix") findings.faults.push(...await unixFaults(address, path));
    else {
      findings.faults.push(...portFaults(address, path));
      findings.warnings.push(...tcpWarnings(address, who));
    }
  }
  return findings;
}

async function unixFaults(
  { path: file, access }: ListenAddress & { kind: "unix" },
  path: Path,
): Promise<FileFault[]> {
  const own = access === undefined ? path : [...path, "address"];
  const why = await folderFault(dirname(file)) ?? await fileFault(file);
  const value = formatAddress({ kind: "unix", path: file });
  const faults: FileFault[] = why === undefined ? [] : [{ path: own, value, cannot: "use", why }];
  const { group } = access ?? {};
  if (typeof group !== "string" || !mayRead(GROUP_FILE)) return faults;
  try {
    await groupId(group);
  } catch (error) {
    faults.push({ path: [...path, "group"], value: group, cannot: "use", why: describeError(error) });
  }
  return faults;
}

async function folderFault(folder: string): Promise<string | undefined> {
  if (!mayRead(folder)) return undefined;
  try {
    const info = await Deno.stat(folder);
    if (!info.isDirectory) return `${folder} is no folder`;
    return mayWrite(info) ? undefined : `this user may not create files in the folder ${folder}`;
  } catch (error) {
    return error instanceof Deno.errors.NotFound ? `there is no folder ${folder}` : describeError(error);
  }
}

/** By its mode; true if that is unknown. */
function mayWrite({ mode, uid }: Deno.FileInfo): boolean {
  const user = ownUser();
  if (user === undefined || mode === null) return true;
  if (user === 0 && mayIgnoreModes() !== false) return true;
  if (user === uid) return (mode & 0o200) !== 0;
  return (mode & 0o022) !== 0; // Which groups this user is in is not known.
}

async function fileFault(file: string): Promise<string | undefined> {
  if (!mayRead(file)) return undefined;
  try {
    const { isSocket } = await Deno.lstat(file);
    return isSocket ? undefined : "it exists and is not a socket";
  } catch {
    return undefined; // It is not there, or its folder has been reported.
  }
}

function portFaults(address: ListenAddress & { kind: "tcp" }, path: Path): FileFault[] {
  const { port } = address;
  if (mayListenOn(port) !== false) return [];
  const why = `port ${port} ${NEEDS_RIGHT}, which this program does not have`;
  return [{ path, value: formatAddress(address), cannot: "use", why }];
}

function tcpWarnings({ host, port }: ListenAddress & { kind: "tcp" }, who: string): string[] {
  const address = formatAddress({ kind: "tcp", host, port });
  const user = ownUser();
  const warnings: string[] = [];
  const mayLack = user !== undefined && user !== 0 && port > 0 && port < FIRST_FREE_PORT;
  if (mayLack && mayListenOn(port) === undefined) warnings.push(`${who}: ${address} ${NEEDS_RIGHT}`);
  if (isForeign(host)) warnings.push(`${who}: this machine does not have the address of ${address} now`);
  return warnings;
}

/** Whether the machine has no such address; false if that is unknown. */
function isForeign(host: string): boolean {
  const ip = parseIp(host);
  if (ip === undefined || isLoopback(host) || host === "0.0.0.0" || host === "::") return false;
  if (!isGranted({ name: "sys", kind: "networkInterfaces" })) return false;
  const own = Deno.networkInterfaces().map(({ address }) => JSON.stringify(parseIp(address)));
  return !own.includes(JSON.stringify(ip));
}

function ownUser(): number | undefined {
  return isGranted({ name: "sys", kind: "uid" }) ? Deno.uid() ?? undefined : undefined;
}

function mayRead(path: string): boolean {
  return isGranted({ name: "read", path });
}

function isGranted(descriptor: Deno.PermissionDescriptor): boolean {
  return Deno.permissions.querySync(descriptor).state === "granted";
}
