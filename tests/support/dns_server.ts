import { Child, output } from "./child.ts";
import { freePort, TemporaryFolder } from "./folder.ts";
import { findProgram } from "./installed.ts";
import { until } from "./wait.ts";

/** How to start a {@linkcode DnsServer}. */
interface DnsServerSpec {
  readonly program: string;
  /** The file that its names come from, in its folder. */
  readonly file: string;
  /** What stands in that file. */
  readonly format: (names: string) => string;
  readonly args: (place: { folder: TemporaryFolder; hostname: string; port: number }) => readonly string[];
}

/**
 * A real DNS server for the zone `internal`, which can be stopped and started at its address, with names that can be
 * changed. Answers hold for a second. Disposing of it ends it.
 */
export class DnsServer implements AsyncDisposable {
  readonly folder = new TemporaryFolder();
  readonly port = freePort();
  /** A loopback address on which no client has a port. */
  readonly hostname = `127.78.${this.port >> 8}.1`;
  readonly #spec: DnsServerSpec;
  #child: Child | undefined;

  /** Runs nothing yet. */
  constructor(spec: DnsServerSpec) {
    this.#spec = spec;
  }

  /** As a configuration names it. */
  get address(): string {
    return `${this.hostname}:${this.port}`;
  }

  /** Resolves when it answers. */
  async start(): Promise<void> {
    const { program, args } = this.#spec;
    const child = this.#child = new Child({ program: findProgram(program)!, args: args(this) });
    const ask = [
      `@${this.hostname}`,
      "-p",
      String(this.port),
      "+tries=1",
      "+time=1",
      "+short",
      "probe.internal",
    ];
    await until(async () => {
      if (!child.running) throw new Error(`the server ended:\n${child.stdout}${child.stderr}`);
      return (await output("dig", ask).catch(() => "")).includes("10.9.9.9");
    }, { what: "the DNS server to answer", context: () => child.stdout + child.stderr });
  }

  /** Gives it other names. */
  async write(names: string): Promise<void> {
    const { file, format } = this.#spec;
    await Deno.writeTextFile(this.folder.file(file), format(names));
    this.#child?.signal("SIGHUP");
  }

  /** Ends it; its names stay. */
  async stop(): Promise<void> {
    await this.#child?.[Symbol.asyncDispose]();
    this.#child = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    await this.folder[Symbol.asyncDispose]();
  }
}

/** What {@linkcode startDnsmasq} needs. */
export const DNSMASQ = ["dnsmasq", "dig"];
/** What {@linkcode startKnot} needs. */
export const KNOT = ["knotd", "dig"];

/** dnsmasq, whose names are lines as in `/etc/hosts`: `10.0.0.1 db.internal`. */
export function startDnsmasq(names: string): Promise<DnsServer> {
  return started(names, {
    program: "dnsmasq",
    file: "hosts",
    format: (names) => names,
    args: ({ folder, hostname, port }) => [
      "--no-daemon",
      "--conf-file=/dev/null",
      "--no-resolv",
      "--no-hosts",
      "--bind-interfaces",
      `--listen-address=${hostname}`,
      `--port=${port}`,
      `--addn-hosts=${folder.file("hosts")}`,
      "--local=/internal/",
      "--host-record=probe.internal,10.9.9.9",
      "--local-ttl=1",
    ],
  });
}

/** Knot DNS, whose names are records of a zone file: `_db._tcp SRV 10 1 5432 a`. */
export function startKnot(names: string): Promise<DnsServer> {
  let serial = 0;
  return started(names, {
    program: "knotd",
    file: "internal.zone",
    format: (names) => knotZone(++serial, names),
    args({ folder, hostname, port }) {
      const file = folder.file("knot.conf");
      Deno.writeTextFileSync(file, knotConfig(folder.path, `${hostname}@${port}`));
      return ["-c", file];
    },
  });
}

async function started(names: string, spec: DnsServerSpec): Promise<DnsServer> {
  const server = new DnsServer(spec);
  try {
    await server.write(names);
    await server.start();
    return server;
  } catch (error) {
    await server[Symbol.asyncDispose]();
    throw error;
  }
}

/** Each change needs a greater serial number. */
function knotZone(serial: number, records: string): string {
  return `
$ORIGIN internal.
$TTL 1
@ SOA ns.internal. admin.internal. ${serial} 3600 600 86400 1
@ NS ns.internal.
ns A 127.0.0.1
probe A 10.9.9.9
${records}
`;
}

function knotConfig(folder: string, listen: string): string {
  return `server:
  rundir: "${folder}"
  listen: ${listen}
log:
  - target: stderr
    any: info
database:
  storage: "${folder}"
zone:
  - domain: internal
    storage: "${folder}"
    file: internal.zone
    journal-content: none
`;
}
