import { type Imported, newImported } from "./imported.ts";

/** A setting of a file. */
interface Setting {
  readonly key: string;
  readonly value: string;
  /** Where it stands: `file:line`. */
  readonly at: string;
}

/** A section, with the settings in front of the first one as defaults. */
interface Section {
  readonly name: string;
  readonly at: string;
  readonly settings: readonly Setting[];
}

type Note = (setting: Pick<Setting, "key" | "value" | "at">, why: string) => void;

/** Settings of the process of stunnel, which concern no connection. */
const PROCESS = [
  "foreground",
  "pid",
  "debug",
  "output",
  "log",
  "setuid",
  "setgid",
  "chroot",
  "syslog",
  "service",
];
const STARTTLS: Readonly<Record<string, string>> = {
  ...{ pgsql: "postgres", smtp: "smtp", imap: "imap", pop3: "pop3", ldap: "ldap" },
};
const TIMEOUTS: Readonly<Record<string, string>> = {
  ...{ timeoutconnect: "connect", timeoutidle: "idle", timeoutbusy: "handshake" },
};
const VERSIONS: Readonly<Record<string, string>> = { "tlsv1.2": "1.2", "tlsv1.3": "1.3" };

/** Carries over configuration files of stunnel (stunnel(8), version 5). */
export function importStunnel(files: readonly { name: string; text: string }[]): Imported {
  const imported = newImported();
  for (const { name, text } of files) {
    const note: Note = ({ key, value, at }, why) => imported.notes.push(`${at}: ${key} = ${value}: ${why}`);
    const { globals, sections } = readSections(text, name);
    for (const setting of globals) {
      if (PROCESS.includes(setting.key)) note(setting, "a setting of the process; see docs/operations.md");
    }
    for (const section of sections) importSection(section, { imported, note });
  }
  return imported;
}

function readSections(text: string, name: string): { globals: Setting[]; sections: Section[] } {
  const globals: Setting[] = [];
  const sections: (Section & { settings: Setting[] })[] = [];
  for (const [index, raw] of text.split("\n").entries()) {
    const line = raw.trim();
    const at = `${name}:${index + 1}`;
    if (line === "" || /^[;#]/.test(line)) continue;
    const [, section] = /^\[(.*)\]$/.exec(line) ?? [];
    if (section !== undefined) {
      const defaults = globals.filter(({ key }) => !PROCESS.includes(key));
      sections.push({ name: section.trim(), at, settings: [...defaults] });
      continue;
    }
    const equals = line.indexOf("=");
    const key = (equals === -1 ? line : line.slice(0, equals)).trim().toLowerCase();
    const value = equals === -1 ? "" : line.slice(equals + 1).trim();
    (sections.at(-1)?.settings ?? globals).push({ key, value, at });
  }
  return { globals, sections };
}

/** The settings of a section that have not been used yet. */
class Settings {
  readonly #left: Setting[];

  constructor(settings: readonly Setting[]) {
    this.#left = [...settings];
  }

  /** Takes all settings of this name. */
  all(key: string): Setting[] {
    const found = this.#left.filter((setting) => setting.key === key);
    for (const setting of found) this.#left.splice(this.#left.indexOf(setting), 1);
    return found;
  }

  /** Takes the setting of this name; of several, the last one holds. */
  one(key: string): Setting | undefined {
    return this.all(key).at(-1);
  }

  get left(): readonly Setting[] {
    return this.#left;
  }
}

function importSection(section: Section, { imported, note }: { imported: Imported; note: Note }): void {
  const settings = new Settings(section.settings);
  const client = settings.one("client");
  const accept = settings.one("accept");
  const connects = settings.all("connect");
  if (accept === undefined || connects.length === 0) {
    const why = "only sections with accept and connect are carried over, not exec and inetd mode";
    imported.notes.push(`${section.at}: [${section.name}]: ${why}`);
    return;
  }
  const { name } = section;
  const isClient = client?.value.toLowerCase() === "yes";
  const balance = settings.one("failover")?.value.toLowerCase() === "prio" ? { balance: "first" } : {};
  const upstream = { ...balance, backends: connects.map(({ value }) => target(value)) };
  const tls = isClient ? clientTls(settings, note) : serverTls(settings, note);
  const timeouts = Object.entries(TIMEOUTS).flatMap(([key, ours]) => {
    const setting = settings.one(key);
    return setting === undefined ? [] : [[ours, `${setting.value}s`] as const];
  });
  imported.upstreams[name] = isClient ? { ...upstream, tls } : upstream;
  imported.services.push({
    name,
    listen: [/^\d+$/.test(accept.value) ? `:${accept.value}` : accept.value],
    ...(isClient ? {} : { tls }),
    ...(timeouts.length === 0 ? {} : { timeouts: Object.fromEntries(timeouts) }),
    upstream: name,
  });
  for (const setting of settings.left) {
    note(setting, "there is no equivalent, or it is not known to the importer");
  }
}

/** `connect` without a host is this machine. */
function target(value: string): string {
  return /^\d+$/.test(value) ? `127.0.0.1:${value}` : value;
}

function serverTls(settings: Settings, note: Note): Record<string, unknown> {
  const clientAuth = clientAuthOf(settings, note);
  return { ...ownCertificate(settings), ...common(settings, note), ...(clientAuth && { clientAuth }) };
}

function clientTls(settings: Settings, note: Note): Record<string, unknown> {
  const { ca, checks, isRequired, isOptional, verify, crl } = verification(settings, note);
  if (crl !== undefined) note(crl, "CRLs are not checked for the certificates of backends");
  if (isOptional) note(verify!, "servers always show a certificate; it is not verified here");
  const sni = settings.one("sni");
  const [host] = checks.flatMap((check) => "dns" in check ? [String(check.dns)] : []);
  const own = { ...ownCertificate(settings), ...common(settings, note) };
  if (!isRequired) return { ...own, ...(sni && { serverName: sni.value }), verify: false };
  // Without a name to check, stunnel accepts every certificate of the CA.
  const isNamed = checks.length === 1 && host !== undefined && (sni === undefined || sni.value === host);
  const name = isNamed ? host : sni?.value;
  const allow = isNamed ? {} : { allow: checks.length === 0 ? [{ any: true }] : checks };
  return { ...own, ...(ca && { ca }), ...(name && { serverName: name }), ...allow };
}

function clientAuthOf(settings: Settings, note: Note): Record<string, unknown> | undefined {
  const { ca, checks, isRequired, isOptional, crl } = verification(settings, note);
  if (!isRequired && !isOptional) return undefined;
  return {
    ca,
    mode: isRequired ? "require" : "optional",
    ...(crl && { crl: crl.value }),
    allow: checks.length === 0 ? [{ any: true }] : checks,
  };
}

function ownCertificate(settings: Settings): Record<string, string> {
  const cert = settings.one("cert")?.value;
  const key = settings.one("key")?.value ?? cert; // One file may have both.
  return { ...(cert === undefined ? {} : { cert, key: key! }) };
}

/** What peers must show, and how that is checked. */
function verification(settings: Settings, note: Note) {
  const verify = settings.one("verify");
  const chain = settings.one("verifychain")?.value.toLowerCase() === "yes";
  const peer = settings.one("verifypeer");
  if (peer?.value.toLowerCase() === "yes") {
    note(peer, "CAfile has the certificates of peers; list their keys as rules with spki");
  }
  if (verify !== undefined && /^[34]$/.test(verify.value)) {
    note(verify, "CAfile has the certificates of peers; list their keys as rules with spki");
  }
  const path = settings.one("capath");
  if (path !== undefined) note(path, "a folder of CAs; put them into one file for ca");
  const email = settings.one("checkemail");
  if (email !== undefined) note(email, "there are no rules about e-mail addresses");
  const [hosts, ips] = [settings.all("checkhost"), settings.all("checkip")];
  // Fails closed where the check itself could not be carried over.
  const isRequired = chain || peer?.value.toLowerCase() === "yes" || /^[234]$/.test(verify?.value ?? "");
  const isOptional = verify?.value === "1";
  if (!isRequired && !isOptional) {
    for (const setting of [...hosts, ...ips]) note(setting, "nothing is checked without verifyChain");
  }
  return {
    ca: settings.one("cafile")?.value,
    crl: settings.one("crlfile"),
    checks: [
      ...hosts.map(({ value }): Record<string, string> => ({ dns: value })),
      ...ips.map(({ value }): Record<string, string> => ({ ip: value })),
    ],
    isRequired,
    isOptional,
    verify,
  };
}

function common(settings: Settings, note: Note): Record<string, unknown> {
  const version = (key: string) => {
    const setting = settings.one(key);
    const known = setting && VERSIONS[setting.value.toLowerCase()];
    if (setting !== undefined && known === undefined && setting.value.toLowerCase() !== "all") {
      note(setting, "only TLS 1.2 and 1.3 are spoken");
    }
    return known;
  };
  const only = version("sslversion");
  const [min, max] = [version("sslversionmin") ?? only, version("sslversionmax") ?? only];
  const protocol = settings.one("protocol");
  const starttls = protocol && STARTTLS[protocol.value.toLowerCase()];
  if (protocol !== undefined && starttls === undefined) note(protocol, "no such protocol for starttls");
  return { ...(min && { minVersion: min }), ...(max && { maxVersion: max }), ...(starttls && { starttls }) };
}
