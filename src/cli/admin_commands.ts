import { CulvertError, describeError } from "../core/errors.ts";
import { formatAddress } from "../net/address.ts";
import type { AdminArguments } from "./arguments.ts";
import { parseAdminAddress } from "./admin/admin_address.ts";
import { AdminClient } from "./admin/admin_client.ts";
import { readProgram } from "./admin/read_program.ts";
import { ExitCode } from "./exit_code.ts";
import { requirePermissions } from "./permissions.ts";
import { formatStatus } from "./status.ts";
import { paintFor } from "./terminal/style.ts";
import { ProgramTerminal } from "./terminal/terminal.ts";
import { plainTop } from "./top/plain_top.ts";
import { Top } from "./top/run_top.ts";
import { readSample } from "./top/top_sample.ts";

/** How a program is reached, and what messages call it. */
interface Connected {
  readonly client: AdminClient;
  readonly name: string;
}

/** `culvert status`: prints the status, and tells with its exit code whether the program is ready. */
export async function runStatus({ json, ...args }: AdminArguments & { json: boolean }): Promise<ExitCode> {
  const { client, name } = await connect(args);
  const program = await readProgram(client, name);
  const isTerminal = Deno.stdout.isTerminal();
  if (json) console.log(JSON.stringify(program.status, undefined, 2));
  else {
    const width = isTerminal ? { width: Deno.consoleSize().columns } : {};
    const paint = paintFor({ isTerminal });
    console.log(formatStatus(program, { ...width, paint, nowMs: Date.now() }));
  }
  return program.ready ? ExitCode.ok : ExitCode.failed;
}

/** `culvert top`: the live table at a terminal; elsewhere two samples, as text. */
export async function runTop(
  { intervalMs, ...args }: AdminArguments & { intervalMs: number },
): Promise<ExitCode> {
  const { client, name } = await connect(args);
  const first = await readSample(client, { name, view: "services" });
  if (!Deno.stdin.isTerminal() || !Deno.stdout.isTerminal()) {
    await new Promise((resolve) => setTimeout(resolve, intervalMs));
    const second = await readSample(client, { name, view: "services" });
    console.log(plainTop(first, second));
    return second.program.ready ? ExitCode.ok : ExitCode.failed;
  }
  using terminal = new ProgramTerminal();
  const paint = paintFor({ isTerminal: true });
  const readKeys = (buffer: Uint8Array) => Deno.stdin.read(buffer);
  const top = new Top({ client, name, terminal, paint, readKeys, intervalMs });
  const stop = () => top.stop();
  const draw = () => top.draw();
  for (const signal of END_SIGNALS) Deno.addSignalListener(signal, stop);
  Deno.addSignalListener("SIGWINCH", draw);
  try {
    await top.run();
  } finally {
    for (const signal of END_SIGNALS) Deno.removeSignalListener(signal, stop);
    Deno.removeSignalListener("SIGWINCH", draw);
  }
  return ExitCode.ok;
}

const END_SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"] as const;

async function connect({ admin, ca, cert, key }: AdminArguments): Promise<Connected> {
  const target = parseAdminAddress(admin);
  const { address } = target;
  const files = [ca, cert, key].filter((path) => path !== undefined);
  const socket = address.kind === "unix" ? [address.path] : [];
  await requirePermissions(
    { net: [formatAddress(address)], read: [...files, ...socket], write: socket },
    { ask: true },
  );
  const tls = { ca: await readPem(ca), cert: await readPem(cert), key: await readPem(key) };
  return { client: new AdminClient(target, { name: admin, tls }), name: admin };
}

async function readPem(path: string | undefined): Promise<string | undefined> {
  if (path === undefined) return undefined;
  try {
    return await Deno.readTextFile(path);
  } catch (cause) {
    throw new CulvertError("file_unreadable", `Cannot read ${path}: ${describeError(cause)}`, { cause });
  }
}
