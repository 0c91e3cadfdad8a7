import { CulvertError } from "../core/errors.ts";
import { parseIp } from "../net/ip.ts";
import { type Authority, createAuthority, loadAuthority } from "../tls/authority.ts";
import type { KeyAlgorithm } from "../tls/generate_key.ts";
import { Oid, type RevocationReason } from "../tls/oids.ts";
import { type CertIndex, type CertRecord, CertsFolder, type NewFile } from "./certs_folder.ts";
import { CERTS_USAGE, type CertsRequest, parseCertsRequest } from "./certs_request.ts";
import { requirePermissions } from "./permissions.ts";

/** What the command works with besides its arguments. */
export interface CertsOptions {
  /** Where it says what it has done. @default {console.log} */
  readonly print?: (line: string) => void;
  /** Tells the time. @default {Date.now} */
  readonly now?: () => number;
}

/** One run of the command. */
interface Run {
  readonly request: CertsRequest;
  readonly folder: CertsFolder;
  readonly print: (line: string) => void;
  readonly now: () => number;
}

/** A run in a folder that has a CA. */
interface Office extends Run {
  readonly authority: Authority;
  readonly index: CertIndex;
}

type Names = CertRecord["names"];

/** What a certificate is to be made of. */
interface Order {
  /** What its files are called. */
  readonly name: string;
  readonly kind: CertRecord["kind"];
  readonly names: Names;
  readonly keyPem?: string;
  readonly replace: boolean;
}

const DAY_MS = 86_400_000;
const LOCAL_NAMES = ["localhost", "127.0.0.1", "::1"];
const NO_NAMES: Names = { cn: [], ou: [], dns: [], uri: [], ip: [], email: [] };
/** These are the names of other files. */
const RESERVED: readonly string[] = ["ca", "index"];

/**
 * `culvert certs DIR …`: see {@linkcode CERTS_USAGE}. Needs to be allowed to read and write DIR, and nothing
 * else.
 *
 * @throws {CulvertError} `bad_usage` when the arguments are not understood, `bad_name` for a name that can't
 * be put into a certificate, `certs_exist` when a file would be replaced without `--force`,
 * `certs_unreadable` and `bad_certificate` when what is there can't be used, `permission_missing`. Then
 * nothing has been written.
 */
export async function runCerts(args: readonly string[], options: CertsOptions = {}): Promise<void> {
  const { print = console.log, now = Date.now } = options;
  const request = parseCertsRequest(args);
  if (request === undefined) return print(CERTS_USAGE.trimEnd());
  const { folder: path, command } = request;
  await requirePermissions({ net: [], read: [path], write: [path] }, { ask: true });
  const run: Run = { request, folder: new CertsFolder(path), print, now };
  if (command === "init") return await begin(run);
  const office = await open(run);
  switch (command) {
    case "client":
      return await issueClient(office);
    case "server":
      return await issueServer(office);
    case "renew":
      return await renew(office);
    case "revoke":
      return await revoke(office);
    case "crl":
      return await save(office, [newCrl(office)]);
  }
}

async function begin(run: Run): Promise<void> {
  const { request, folder, now } = run;
  if (!request.force && await folder.has("ca.pem")) {
    const what = `Cannot make a CA in "${folder.path}": there is one already; see --force`;
    throw new CulvertError("certs_exist", what);
  }
  const authority = await createAuthority({ algorithm: algorithmOf(request), now });
  const office = { ...run, authority, index: { version: 1 as const, crlNumber: 0, certificates: [] } };
  const names = serverNames([...LOCAL_NAMES, ...request.serverNames]);
  const replace = request.force;
  const clientNames = { ...request.names, cn: orElse(request.names.cn, "client") };
  await save(office, [
    { name: "ca.pem", text: authority.certPem, replace },
    { name: "ca.key", text: authority.keyPem, replace },
    ...await issue(office, { name: "server", kind: "server", names, replace }),
    ...await issue(office, { name: "client", kind: "client", names: clientNames, replace }),
    newCrl(office),
  ]);
}

/** Takes up what is in the folder. */
async function open(run: Run): Promise<Office> {
  const { folder, now } = run;
  const index = await folder.readIndex();
  const authority = loadAuthority({
    certPem: await folder.read("ca.pem"),
    keyPem: await folder.read("ca.key"),
    crlNumber: index.crlNumber,
    revoked: index.certificates.flatMap(({ serial, revoked }) =>
      revoked === undefined
        ? []
        : [{ serial, at: new Date(revoked.at), reason: revoked.reason as RevocationReason }]
    ),
    now,
  });
  return { ...run, authority, index };
}

async function issueClient(office: Office): Promise<void> {
  const { request: { operands: [name], names, force: replace } } = office;
  const order = { name: fileName(name!), kind: "client" as const, replace };
  await save(office, await issue(office, { ...order, names: { ...names, cn: orElse(names.cn, name!) } }));
}

async function issueServer(office: Office): Promise<void> {
  const { request: { operands, force: replace } } = office;
  const order = { name: fileName(operands[0]!), kind: "server" as const, replace };
  await save(office, await issue(office, { ...order, names: serverNames(operands) }));
}

/**
 * Issues anew what was issued last for a name. The old one holds on until its end: it has not been revoked.
 */
async function renew(office: Office): Promise<void> {
  const { request, folder } = office;
  const [operand] = request.operands;
  const last = recordsOf(office, operand!).at(-1)!;
  if (last.revoked !== undefined) {
    throw new CulvertError(
      "certs_revoked",
      `Cannot renew "${operand}": it was revoked on ${last.revoked.at}`,
    );
  }
  const { name, kind, names } = last;
  const order = { name, kind, names, replace: true };
  // With its old key, what pins the key goes on working.
  const key = request.newKey ? {} : { keyPem: await folder.read(`${name}.key`) };
  await save(office, await issue(office, { ...order, ...key }));
}

/** Revokes all that were issued for a name, as the older ones would open the same doors. */
async function revoke(office: Office): Promise<void> {
  const { request, authority, now, print } = office;
  const [operand] = request.operands;
  const open = recordsOf(office, operand!).filter(({ revoked }) => revoked === undefined);
  if (open.length === 0) {
    throw new CulvertError("certs_revoked", `Cannot revoke "${operand}": it is revoked already`);
  }
  const at = new Date(now());
  for (const record of open) {
    authority.revoke(record.serial, { at, reason: request.reason });
    record.revoked = { at: at.toISOString(), reason: request.reason };
  }
  await save(office, [newCrl(office)]);
  for (const { name, serial } of open) print(`revoked ${name}, serial ${serial}`);
}

/** Issues a certificate and notes it; nothing is written yet. */
async function issue(office: Office, order: Order): Promise<NewFile[]> {
  const { authority, index, request, now } = office;
  const { name, kind, names, keyPem, replace } = order;
  const { certPem, keyPem: key, serial, notAfter } = await authority.issue({
    ...names,
    extendedKeyUsage: [kind === "server" ? Oid.serverAuth : Oid.clientAuth],
    ...(request.rsa ? { algorithm: algorithmOf(request) } : {}),
    ...(keyPem === undefined ? {} : { keyPem }),
    ...(request.days === undefined ? {} : { notAfter: new Date(now() + request.days * DAY_MS) }),
  });
  index.certificates.push({ name, kind, serial, notAfter: notAfter.toISOString(), names });
  return [
    { name: `${name}.pem`, text: certPem, replace },
    { name: `${name}.key`, text: key, replace },
  ];
}

/** A CRL of all that has been revoked. It always takes the place of the last one. */
function newCrl({ authority, request, now }: Office): NewFile {
  const days = request.command === "crl" ? request.days : undefined;
  const until = days === undefined ? {} : { nextUpdate: new Date(now() + days * DAY_MS) };
  return { name: "ca.crl", text: authority.crl(until), replace: true };
}

async function save(office: Office, files: readonly NewFile[]): Promise<void> {
  const { folder, index, authority, print } = office;
  await folder.write({ ...index, crlNumber: authority.crlNumber }, files);
  for (const { name } of files) print(`wrote ${folder.pathOf(name)}`);
}

/** All that was issued for a name, the oldest first. */
function recordsOf({ index, folder }: Office, operand: string): CertRecord[] {
  const records = index.certificates.filter(({ name }) => name === operand || name === fileName(operand));
  if (records.length > 0) return records;
  const known = [...new Set(index.certificates.map(({ name }) => name))].join(", ");
  throw new CulvertError("bad_usage", `no certificate "${operand}" in "${folder.path}"; there are ${known}`);
}

function serverNames(all: readonly string[]): Names {
  const unique = [...new Set(all)];
  const isIp = (name: string) => parseIp(name) !== undefined;
  return {
    ...NO_NAMES,
    cn: [unique[0]!],
    dns: unique.filter((name) => !isIp(name)),
    ip: unique.filter(isIp),
  };
}

/** A name as that of a file: the colons of an address and the star of a wildcard have no place there. */
function fileName(name: string): string {
  const file = name.replaceAll(/[^A-Za-z0-9._@-]/g, "_");
  if (!RESERVED.includes(file) && !file.startsWith(".") && !file.startsWith("-")) return file;
  throw new CulvertError("bad_usage", `a certificate can't be called "${name}"; see certs --help`);
}

function orElse(names: readonly string[], otherwise: string): string[] {
  return names.length === 0 ? [otherwise] : [...names];
}

function algorithmOf(request: CertsRequest): KeyAlgorithm {
  return request.rsa ? "rsa-2048" : "ecdsa-p256";
}
