import { type Imported, newImported } from "./imported.ts";

/** Flags that take no value. */
const SWITCHES = ["allow-all", "disable-authentication", "unsafe-target", "unsafe-listen", "proxy-protocol"];
const RULES: Readonly<Record<string, string>> = {
  cn: "cn",
  ou: "ou",
  dns: "dns",
  "dns-san": "dns",
  uri: "uri",
  "uri-san": "uri",
};

const NO_CERTIFICATE = "--cert: a certificate and its key in PEM are needed; keystores are not read";

/** A flag as it was given. */
interface Flag {
  readonly name: string;
  /** Empty for a flag without a value. */
  readonly value: string;
}

type Rules = readonly Readonly<Record<string, string>>[];

/** What both modes have. */
interface Common {
  readonly ca: string | undefined;
  /** The own certificate and key; empty if there is none. */
  readonly certificate: { readonly cert?: string; readonly key?: string };
  readonly rules: Rules;
}

/** Carries over the command line of ghostunnel, in `server` or `client` mode, with or without the program's name. */
export function importGhostunnel(text: string): Imported {
  const imported = newImported();
  const { notes } = imported;
  const words = splitWords(text);
  const start = words.findIndex((word) => word === "server" || word === "client");
  if (start === -1) {
    notes.push("command line: expected ghostunnel server … or ghostunnel client …");
    return imported;
  }
  const before = words.slice(0, start).filter((word) => word.startsWith("--"));
  const flags = new Flags([...before, ...words.slice(start + 1)]);
  const [listen, target] = [flags.take("listen"), flags.take("target")];
  if (listen === undefined || target === undefined) {
    notes.push("command line: --listen and --target are needed");
    return imported;
  }
  // They allow addresses that are not of this machine, which needs no permission here.
  flags.takeSwitch("unsafe-target");
  flags.takeSwitch("unsafe-listen");
  const isServer = words[start] === "server";
  const cert = flags.take("cert");
  const key = flags.take("key");
  const common: Common = {
    ca: flags.take("cacert"),
    certificate: cert === undefined ? {} : { cert, key: key ?? cert },
    rules: flags.takeRules(),
  };
  const proxyProtocol = flags.takeSwitch("proxy-protocol") ? "v2" : undefined;
  const connect = flags.take("connect-timeout");
  const drain = flags.take("shutdown-timeout");
  const tls = isServer ? serverTls(flags, { common, notes }) : clientTls(flags, { common, notes });
  imported.upstreams.target = withoutAbsent({
    backends: [target],
    tls: isServer ? undefined : tls,
    proxyProtocol,
  });
  imported.services.push(withoutAbsent({
    name: "ghostunnel",
    listen: [listen],
    tls: isServer ? tls : undefined,
    timeouts: connect === undefined && drain === undefined ? undefined : withoutAbsent({ connect, drain }),
    upstream: "target",
  }));
  for (const { name, value } of flags.left) {
    const flag = value === "" ? `--${name}` : `--${name} ${value}`;
    notes.push(`${flag}: there is no equivalent, or it is not known to the importer`);
  }
  return imported;
}

/** TLS of the listener. */
function serverTls(flags: Flags, { common, notes }: { common: Common; notes: string[] }): object {
  const { ca, certificate, rules } = common;
  const asksNoCertificate = flags.takeSwitch("disable-authentication");
  const allow = flags.takeSwitch("allow-all") ? [{ any: true }] : rules;
  if (certificate.cert === undefined) notes.push(NO_CERTIFICATE);
  if (asksNoCertificate) return certificate;
  if (allow.length === 0) notes.push("--allow-…: a rule is needed: no client would be allowed");
  if (ca === undefined) {
    notes.push("--cacert: the CAs of clients are needed: system roots are not used for clients");
  }
  return { ...certificate, clientAuth: withoutAbsent({ ca, allow }) };
}

/** TLS to the backend. */
function clientTls(flags: Flags, { common, notes }: { common: Common; notes: string[] }): object {
  const { ca, certificate, rules } = common;
  const presentsNone = flags.takeSwitch("disable-authentication");
  if (certificate.cert === undefined && !presentsNone) notes.push(NO_CERTIFICATE);
  if (rules.length > 0) {
    notes.push(
      "--verify-…: rules take the place of the name of the server here, which is not checked besides",
    );
  }
  const serverName = flags.take("override-server-name");
  return withoutAbsent({ ca, ...certificate, serverName, allow: rules.length > 0 ? rules : undefined });
}

/** Flags that are taken one by one; what is left was not understood. */
class Flags {
  /** Those that have not been taken, in their order. */
  readonly left: Flag[];

  constructor(words: readonly string[]) {
    this.left = readFlags(words);
  }

  /** The value of a flag, and of the first one where it is given several times. */
  take(name: string): string | undefined {
    return this.#take((flag) => flag.name === name)[0]?.value;
  }

  takeSwitch(name: string): boolean {
    return this.take(name) !== undefined;
  }

  /** The rules of `--allow-…` and `--verify-…`. */
  takeRules(): Rules {
    return this.#take(({ name }) => ruleOf(name) !== undefined)
      .map(({ name, value }) => ({ [ruleOf(name)!]: value }));
  }

  #take(isWanted: (flag: Flag) => boolean): Flag[] {
    const taken = this.left.filter(isWanted);
    for (const flag of taken) this.left.splice(this.left.indexOf(flag), 1);
    return taken;
  }
}

/** The key of the rule that a flag stands for. */
function ruleOf(flag: string): string | undefined {
  const [, kind] = /^(?:allow|verify)-(.+)$/.exec(flag) ?? [];
  return kind === undefined ? undefined : RULES[kind];
}

function withoutAbsent(section: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(section).filter(([, value]) => value !== undefined));
}

function readFlags(words: readonly string[]): Flag[] {
  const flags: Flag[] = [];
  for (let index = 0; index < words.length; index++) {
    const [, name, inline] = /^--([\w-]+)(?:=(.*))?$/.exec(words[index]!) ?? [];
    if (name === undefined) flags.push({ name: words[index]!, value: "" });
    else if (
      inline !== undefined || SWITCHES.includes(name) || words[index + 1]?.startsWith("--") !== false
    ) {
      flags.push({ name, value: inline ?? "" });
    } else flags.push({ name, value: words[++index]! });
  }
  return flags;
}

/** Words as a shell splits them, without expansions. A backslash at the end of a line joins it with the next one. */
function splitWords(text: string): string[] {
  const joined = text.replaceAll(/\\\r?\n/g, " ");
  return [...joined.matchAll(/(?:'[^']*'|"[^"]*"|[^\s'"])+/g)].map(([word]) =>
    word.replaceAll(/'([^']*)'|"([^"]*)"/g, (_, single, double) => single ?? double)
  );
}
