import { DEFAULT_ADMIN } from "./admin/admin_address.ts";
import { INIT_KINDS } from "./init.ts";

/** An option of a command. */
export interface OptionSpec {
  /** Without the dashes. */
  readonly name: string;
  /** The letter of its short form. */
  readonly short?: string;
  /** What stands for its value; absent: it takes none. */
  readonly value?: string;
  /** Whether its value is a file, which shells complete. @default {false} */
  readonly isFile?: boolean;
  readonly text: string;
}

/** A command of the program: what the parser takes, `--help` prints and shells complete. */
export interface CommandSpec {
  readonly name: string;
  /** What stands behind the name in its help: `--config FILE`. */
  readonly usage: string;
  /** One line for the list of commands. */
  readonly summary: string;
  /** What else its help says. */
  readonly notes?: string;
  readonly options: readonly OptionSpec[];
  /** How many arguments it takes; the words that the first one may be. @default none */
  readonly operands?: { readonly min?: number; readonly max: number; readonly words?: readonly string[] };
}

const CONFIG: OptionSpec = {
  name: "config",
  short: "c",
  value: "FILE",
  isFile: true,
  text: "the configuration, as YAML or JSON; - reads standard input",
};

/** How commands reach a running proxy. */
const ADMIN: readonly OptionSpec[] = [
  {
    name: "admin",
    value: "URL",
    text: `the admin API: http://…, https://… or unix:PATH; default ${DEFAULT_ADMIN}`,
  },
  {
    name: "ca",
    value: "FILE",
    isFile: true,
    text: "the CAs that may have issued its certificate; default the system's",
  },
  { name: "cert", value: "FILE", isFile: true, text: "the certificate for it, with its chain" },
  { name: "key", value: "FILE", isFile: true, text: "the key of that certificate" },
];

/** The options of every command. */
export const COMMON_OPTIONS: readonly OptionSpec[] = [
  { name: "help", short: "h", text: "print the help of the command" },
];

/** All commands, in the order of the help. `certs` parses its options itself. */
export const COMMANDS: readonly CommandSpec[] = [
  {
    name: "run",
    usage: "--config FILE",
    summary: "run the proxy (also: culvert --config FILE)",
    notes: "Signals: SIGHUP reloads; SIGTERM and SIGINT drain, and a second one stops at once.",
    options: [CONFIG],
  },
  {
    name: "check",
    usage: "--config FILE",
    summary: "validate the file, run its policy tests, print what it does",
    options: [CONFIG],
  },
  {
    name: "permissions",
    usage: "--config FILE",
    summary: "print the Deno permission flags that the file needs, and no more",
    options: [CONFIG, {
      name: "watch",
      text: "include the folders of the files, so that changes are detected",
    }],
  },
  {
    name: "explain",
    usage: "--config FILE --service NAME …",
    summary: "decide about one imaginary connection or request, and print every step",
    notes:
      `Each line has the decision and the line of the configuration that decided. No socket is opened; limits,
rates and checks are those of a proxy that has just started. Exit code 1: the client is refused.`,
    options: [
      CONFIG,
      { name: "service", value: "NAME", text: "the service that the client connects to" },
      { name: "from", value: "ADDRESS", text: "the IP address of the client; default 127.0.0.1" },
      { name: "via", value: "ADDRESS", text: "the proxy that names the client in a PROXY header" },
      { name: "cert", value: "PEM", isFile: true, text: "the certificate of the client, with its chain" },
      { name: "sni", value: "NAME", text: "the server name that the client asks for" },
      { name: "method", value: "METHOD", text: "of the request; default GET" },
      { name: "url", value: "URL", text: "of the request, for a service with protocol: http" },
    ],
  },
  {
    name: "init",
    usage: `[${INIT_KINDS.join("|")}]`,
    summary: "print a commented starter file; tcp unless another kind is named",
    options: [],
    operands: { max: 1, words: INIT_KINDS },
  },
  {
    name: "import",
    usage: "stunnel FILE… | ghostunnel FLAGS…",
    summary: "print the equivalent of another program's configuration",
    notes:
      `What could not be carried over stands in comments at the top, with the reason; the exit code is 1 then.
For ghostunnel, give its command line: culvert import ghostunnel server --listen … --target …`,
    options: [],
    operands: { min: 1, max: Infinity, words: ["ghostunnel", "stunnel"] },
  },
  {
    name: "status",
    usage: "[--json] [--admin URL]",
    summary: "print what a running proxy does: services, backends, certificates",
    notes: "Exit codes: 0 it is ready; 1 it is not; 2 it can't be reached.",
    options: [{ name: "json", text: "print the answer of /api/status as it is" }, ...ADMIN],
  },
  {
    name: "top",
    usage: "[--admin URL]",
    summary: "show services, backends and connections as they change",
    notes: `Keys are shown with ?. Where input or output is no terminal, it prints services and backends once,
with their rates over the interval. Exit codes as for status; 0 when you quit.`,
    options: [
      { name: "interval", value: "TIME", text: "between two samples, such as 500ms; default 1s" },
      ...ADMIN,
    ],
  },
  {
    name: "certs",
    usage: "DIR …",
    summary: "make a CA, certificates and a CRL, for trying mutual TLS",
    options: [],
    operands: { min: 1, max: Infinity },
  },
  {
    name: "completions",
    usage: "bash|zsh|fish",
    summary: "print a script that completes commands and options in a shell",
    notes: "For bash: source <(culvert completions bash); for fish: culvert completions fish | source.",
    options: [],
    operands: { min: 1, max: 1, words: ["bash", "zsh", "fish"] },
  },
  {
    name: "demo",
    usage: "",
    summary: "run the proxy in front of three small backends",
    options: [],
  },
];

/** The command of this name. */
export function commandSpec(name: string): CommandSpec | undefined {
  return COMMANDS.find((command) => command.name === name);
}
