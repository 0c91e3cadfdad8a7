import { Explainer } from "../app/explain/explain.ts";
import type { Explanation, Imagined } from "../app/explain/imagined.ts";
import { readChainFile } from "../app/explain/read_chain.ts";
import { credentialPaths } from "../config/required_permissions.ts";
import type { ConfigReading } from "../config/reading.ts";
import { CulvertError } from "../core/errors.ts";
import { badConfig, loadCredentials } from "../app/credentials/credentials.ts";
import { parseIp } from "../net/ip.ts";
import type { ExplainArguments } from "./arguments.ts";
import { requirePermissions } from "./permissions.ts";

/**
 * Decides about the connection or request of the arguments.
 *
 * @param name What messages call the configuration.
 * @throws {ConfigError} for a bad configuration.
 * @throws {CulvertError} `bad_usage` for what the service could not get, `bad_certificate`, `permission_missing`.
 */
export async function explain(
  reading: ConfigReading,
  { name, args }: { name: string; args: ExplainArguments },
): Promise<Explanation> {
  const { config } = reading;
  if (config === undefined) throw await badConfig(reading, name);
  for (const option of ["from", "via"] as const) checkIp(option, args[option]);
  const files = [...credentialPaths(config), ...(args.cert === undefined ? [] : [args.cert])];
  await requirePermissions({ net: [], read: files, write: [] }, { ask: true });
  const credentials = await loadCredentials(reading, name);
  await using explainer = await Explainer.create(reading, credentials);
  return await explainer.explain(await imaginedOf(args));
}

async function imaginedOf(args: ExplainArguments): Promise<Imagined> {
  const { service, from, via, cert, sni, method = "GET", url } = args;
  return {
    ...{ service, from, via, serverName: sni },
    chain: cert === undefined ? undefined : await readChainFile(cert),
    request: url === undefined ? undefined : { method, url },
  };
}

function checkIp(option: string, value: string | undefined): void {
  if (value === undefined || parseIp(value) !== undefined) return;
  throw new CulvertError("bad_usage", `--${option} ${value}: expected an IP address; see --help`);
}

/** An explanation for the terminal: a line for each step, then the outcome. */
export function formatExplanation(
  { steps, verdict, upstream, target, status, location }: Explanation,
  { file, reading }: { file: string; reading: ConfigReading },
): string {
  const rows = steps.map(({ name, passed, text, path }) => {
    const line = path && reading.lineOf(path);
    return {
      mark: passed ? "ok" : "refused",
      name,
      text,
      where: line === undefined ? "" : `  [${file}:${line}]`,
    };
  });
  const width = Math.max(...rows.map(({ name }) => name.length));
  const lines = rows.map(({ mark, name, text, where }) =>
    `${mark.padEnd(8)} ${name.padEnd(width)}  ${text}${where}`
  );
  const details = [
    ...(upstream === undefined ? [] : [`upstream ${upstream}`]),
    ...(target === undefined ? [] : [`target ${target}`]),
    ...(status === undefined ? [] : [`status ${status}`]),
    ...(location === undefined ? [] : [`location ${location}`]),
  ];
  return [...lines, `verdict: ${[verdict, ...details].join(", ")}`].join("\n");
}

/** Whether the client gets what it asks for. */
export function isAccepted({ verdict }: Explanation): boolean {
  return ["accept", "redirect", "respond"].includes(verdict);
}
