import { type ConfigSource, configSource } from "../app/config_source.ts";
import { badConfig, loadCredentials } from "../app/credentials/credentials.ts";
import { findListenerFaults } from "../app/listener_faults.ts";
import { checkDiscoveryFiles } from "../app/check_discovery_files.ts";
import { policyTestPaths, runPolicyTests } from "../app/explain/policy_tests.ts";
import { LineWriter } from "../app/log/line_writer.ts";
import { Supervisor } from "../app/supervisor.ts";
import type { Config } from "../config/config.ts";
import { describeConfig } from "../config/describe.ts";
import { parseConfig } from "../config/parse.ts";
import { credentialPaths, requiredPermissions } from "../config/required_permissions.ts";
import { ConfigError } from "../config/problem/problem.ts";
import { ConfigReading } from "../config/reading.ts";
import { CulvertError, describeError } from "../core/errors.ts";
import { escapeText } from "../core/escape_text.ts";
import { formatAddress } from "../net/address.ts";
import { parseResolvConf, RESOLV_CONF } from "../upstream/discover/dns/system_resolve.ts";
import { HeldLibc } from "../upstream/check/half_open/held_libc.ts";
import { AdminUnreachableError } from "./admin/admin_client.ts";
import { runStatus, runTop } from "./admin_commands.ts";
import { type Command, type ExplainArguments, parseCommand } from "./arguments.ts";
import { runCerts } from "./certs.ts";
import { commandSpec } from "./commands.ts";
import { completions } from "./completions.ts";
import { runDemo } from "./demo.ts";
import { ExitCode } from "./exit_code.ts";
import { explain, formatExplanation, isAccepted } from "./explain.ts";
import { permissionFlags } from "./permission_flags.ts";
import { MissingPermissionError, readNeed, requirePermissions } from "./permissions.ts";
import { runImport } from "./import_command.ts";
import { starterFile } from "./init.ts";
import { usage } from "./usage.ts";
import { VERSION } from "./version.ts";
import { workerReads } from "./worker_reads.ts";

const FFI_NOTE =
  "note: --allow-ffi lets the program call any function of the C library, which the sandbox does not hold. " +
  "It opens the library at the start, for half-open checks, and gives the permission up before it accepts connections.";

/** Runs the program with these arguments, to its end. Resolves to the exit code; never rejects. */
export async function main(args: readonly string[]): Promise<ExitCode> {
  try {
    if (args[0] === "import") return await runImport(args.slice(1));
    if (args[0] === "certs") return await certs(args.slice(1));
    return await execute(parseCommand(args));
  } catch (error) {
    console.error(errorText(error));
    return exitCodeOf(error);
  }
}

/** Has options of its own. */
async function certs(args: readonly string[]): Promise<ExitCode> {
  await runCerts(args);
  return ExitCode.ok;
}

async function execute(command: Command): Promise<ExitCode> {
  switch (command.name) {
    case "help":
      if (command.command === "certs") return await certs(["--help"]);
      console.log(usage(command.command === undefined ? undefined : commandSpec(command.command)).trimEnd());
      return ExitCode.ok;
    case "version":
      console.log(`culvert ${VERSION} (deno ${Deno.version.deno})`);
      return ExitCode.ok;
    case "demo":
      return await runDemo();
    case "run":
      return await run(command.config);
    case "check":
      return await check(command.config);
    case "explain":
      return await explainTo(command);
    case "init":
      console.log(starterFile(command.kind).trimEnd());
      return ExitCode.ok;
    case "completions":
      console.log(completions(command.shell).trimEnd());
      return ExitCode.ok;
    case "status":
      return await runStatus(command);
    case "top":
      return await runTop(command);
    case "permissions":
      console.log(await printedFlags(command.config, command));
      return ExitCode.ok;
  }
}

async function run(path: string): Promise<ExitCode> {
  const source = await readableSource(path);
  const writer = new LineWriter(Deno.stderr);
  const library = new HeldLibc();
  const checkPermissions = async (config: Config, options: { ask: boolean }) => {
    library.open();
    const needed = requiredPermissions(config);
    const need = { ...needed, read: [...needed.read, ...workerReads(config)] };
    await requirePermissions(library.isOpen ? { ...need, ffi: [] } : need, options);
    library.open(); // It may have been asked for just now.
  };
  const supervisor = new Supervisor({
    source,
    writer,
    library,
    checkPermissions,
    workerModule: new URL(Deno.mainModule),
    version: VERSION,
  });
  try {
    await supervisor.start();
    const { cut } = await supervisor.stopped;
    return cut > 0 ? ExitCode.failed : ExitCode.ok;
  } finally {
    await writer.flush();
  }
}

/** Reads all that a run would read, certificates included, and binds nothing. */
async function check(path: string): Promise<ExitCode> {
  const source = await readableSource(path);
  const reading = new ConfigReading(await source.read(), source);
  const { config } = reading;
  if (config === undefined) throw await badConfig(reading, source.name);
  const files = [...credentialPaths(config), ...policyTestPaths(config)];
  await requirePermissions({ net: [], read: files, write: [] }, { ask: true });
  const credentials = await loadCredentials(reading, source.name);
  const listeners = await findListenerFaults(config);
  if (listeners.faults.length > 0) throw new ConfigError(source.name, reading.problems(listeners.faults));
  const tests = await runPolicyTests(reading, credentials);
  if (tests.faults.length > 0) throw new ConfigError(source.name, reading.problems(tests.faults));
  console.log(escapeLines(describeConfig(config)));
  for (
    const warning of [...credentials.warnings, ...listeners.warnings, ...await checkDiscoveryFiles(config)]
  ) {
    console.error(escapeText(`warning: ${warning}`));
  }
  return ExitCode.ok;
}

async function explainTo(args: ExplainArguments): Promise<ExitCode> {
  const source = await readableSource(args.config);
  const reading = new ConfigReading(await source.read(), source);
  const explanation = await explain(reading, { name: source.name, args });
  console.log(escapeLines(formatExplanation(explanation, { file: source.name, reading })));
  return isAccepted(explanation) ? ExitCode.ok : ExitCode.failed;
}

async function load(path: string): Promise<Config> {
  const source = await readableSource(path);
  return parseConfig(await source.read(), source);
}

async function readableSource(path: string): Promise<ConfigSource> {
  const source = configSource(path);
  await requirePermissions(readNeed(source), { ask: true });
  return source;
}

async function printedFlags(path: string, { watch = false }: { watch?: boolean }): Promise<string> {
  const config = await load(path);
  // Standard output is for the flags alone: they are put on a command line as they stand.
  if (requiredPermissions(config).ffi !== undefined) console.error(FFI_NOTE);
  return permissionFlags(config, configSource(path), { watch, nameServers: await systemNameServers() });
}

/** None where the file that names them may not be read. */
async function systemNameServers(): Promise<string[]> {
  const { state } = await Deno.permissions.query({ name: "read", path: RESOLV_CONF });
  if (state !== "granted") return [];
  const text = await Deno.readTextFile(RESOLV_CONF).catch(() => "");
  return parseResolvConf(text).servers.map(formatAddress);
}

/** The error message for the user. A bug is printed with its stack, any other error as one line. */
function errorText(error: unknown): string {
  return escapeLines(messageOf(error));
}

function escapeLines(text: string): string {
  return text.split("\n").map(escapeText).join("\n");
}

function messageOf(error: unknown): string {
  if (error instanceof ConfigError || !(error instanceof Error)) return describeError(error);
  if (error instanceof CulvertError) return `culvert: ${error.message}`;
  return `culvert: ${error.stack ?? error.message}`;
}

function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof ConfigError) return ExitCode.badConfig;
  if (error instanceof MissingPermissionError) return ExitCode.noPermission;
  if (error instanceof AdminUnreachableError) return ExitCode.unreachable;
  if (!(error instanceof CulvertError)) return ExitCode.failed;
  if (error.code === "bad_usage" || error.code === "bad_name") return ExitCode.usage;
  return error.code === "config_unreadable" ? ExitCode.badConfig : ExitCode.failed;
}
