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

/** A flag as it was given. */
interface Flag {
  readonly name: string;
  readonly value: string;
}

/** Carries over the command line of ghostunnel, in `server` or `client` mode, with or without the program's name. */
export function importGhostunnel(text: string): Imported {
  const imported = newImported();
  const note = (what: string, why: string) => void imported.notes.push(`${what}: ${why}`);
  const words = splitWords(text);
  const start = words.findIndex((word) => word === "server" || word === "client");
  if (start === -1) {
    note("command line", "expected ghostunnel server … or ghostunnel client …");
    return imported;
  }
  const isServer = words[start] === "server";
  const flags = readFlags([
    ...words.slice(0, start).filter((word) => word.startsWith("--")),
    ...words.slice(start + 1),
  ]);
  const take = (name: string) => {
    const found = flags.filter((flag) => flag.name === name);
    for (const flag of found) flags.splice(flags.indexOf(flag), 1);
    return found.map(({ value }) => value);
  };
  const [listen] = take("listen");
  const [targetAddress] = take("target");
  if (listen === undefined || targetAddress === undefined) {
    note("command line", "--listen and --target are needed");
    return imported;
  }
  take("unsafe-target");
  take("unsafe-listen");
  const ca = take("cacert")[0];
  const own = { cert: take("cert")[0], key: take("key")[0] };
  const rules = flags.filter(({ name }) =>
    /^(?:allow|verify)-/.test(name) && RULES[name.replace(/^\w+-/, "")]
  )
    .map(({ name, value }) => ({ [RULES[name.replace(/^\w+-/, "")]!]: value }));
  for (const flag of [...flags]) {
    if (/^(?:allow|verify)-/.test(flag.name) && RULES[flag.name.replace(/^\w+-/, "")]) {
      flags.splice(flags.indexOf(flag), 1);
    }
  }
  const noAuthentication = take("disable-authentication").length > 0;
  const all = take("allow-all").length > 0;
  if (own.cert === undefined && !(noAuthentication && !isServer)) {
    note("--cert", "a certificate and its key in PEM are needed; keystores are not read");
  }
  const certificate = own.cert === undefined ? {} : { cert: own.cert, key: own.key ?? own.cert };
  const connect = take("connect-timeout")[0];
  const drain = take("shutdown-timeout")[0];
  const timeouts = { ...(connect && { connect }), ...(drain && { drain }) };
  const proxy = take("proxy-protocol").length > 0 ? { proxyProtocol: "v2" } : {};
  const backends = [address(targetAddress)];
  const allow = all ? [{ any: true }] : rules;
  if (isServer) {
    const clientAuth = noAuthentication ? {} : { clientAuth: { ...(ca && { ca }), allow } };
    if (!noAuthentication && allow.length === 0) {
      note("--allow-…", "a rule is needed: no client would be allowed");
    }
    if (!noAuthentication && ca === undefined) {
      note("--cacert", "the CAs of clients are needed: system roots are not used for clients");
    }
    imported.upstreams.target = { backends, ...proxy };
    imported.services.push({
      ...{ name: "ghostunnel", listen: [address(listen)] },
      tls: { ...certificate, ...clientAuth },
      ...(Object.keys(timeouts).length === 0 ? {} : { timeouts }),
      upstream: "target",
    });
  } else {
    const serverName = take("override-server-name")[0];
    if (rules.length > 0) {
      note("--verify-…", "rules take the place of the name of the server here, which is not checked besides");
    }
    const tls = {
      ...(ca && { ca }),
      ...certificate,
      ...(serverName && { serverName }),
      ...(rules.length > 0 && { allow: rules }),
    };
    imported.upstreams.target = { backends, tls, ...proxy };
    imported.services.push({
      ...{ name: "ghostunnel", listen: [address(listen)] },
      ...(Object.keys(timeouts).length === 0 ? {} : { timeouts }),
      upstream: "target",
    });
  }
  for (const { name, value } of flags) {
    note(
      `--${name}${value === "" ? "" : ` ${value}`}`,
      "there is no equivalent, or it is not known to the importer",
    );
  }
  return imported;
}

/** `localhost:1` and `unix:/path` are the same here. */
function address(value: string): string {
  return value;
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
