import { randomBytes } from "node:crypto";
import { CulvertError } from "../core/errors.ts";
import { type Authority, createAuthority, loadAuthority } from "../tls/authority/authority.ts";
import type { KeyAlgorithm } from "../tls/authority/generate_key.ts";
import { Oid, type RevocationReason } from "../tls/x509/oids.ts";
import { commandAnew, fileName, keyKindOf } from "./reissue_command.ts";
import { type CertIndex, type CertRecord, CertsFolder, type NewFile } from "./certs_folder.ts";
import { checkNames, serverNames } from "./certs_names.ts";
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
  /** The kind of its new key. @default what is asked for, or that of the CA's key */
  readonly algorithm?: KeyAlgorithm;
  readonly replace: boolean;
}

const DAY_MS = 86_400_000;
const LOCAL_NAMES = ["localhost", "127.0.0.1", "::1"];
/** These are the names of other files. */
const RESERVED: readonly string[] = ["ca", "index"];

/**
 * `culvert certs DIR …`: see {@linkcode CERTS_USAGE}. Needs to be allowed to read and write DIR, and nothing
 * else.
 *
 * @throws {CulvertError} `bad_usage` when the arguments are not understood or ask for something that would
 * outlive the CA, `bad_name` for a name that can't be put into a certificate, `certs_exist` when a file would
 * be replaced without `--force`, `certs_revoked` for what has been revoked, `certs_expired` when the CA has
 * ended, `certs_unreadable` and `bad_certificate` when what is there can't be used, `certs_unwritable`,
 * `permission_missing`. Then nothing has been written.
 */
export async function runCerts(args: readonly string[], options: CertsOptions = {}): Promise<void> {
  const { print = console.log, now = Date.now } = options;
  const request = parseCertsRequest(args);
  if (request === undefined) return print(CERTS_USAGE.trimEnd());
  checkNames(request);
  const { folder: path, command } = request;
  await requirePermissions({ net: [], read: [path], write: [path] }, { ask: true });
  const at = now(); // One moment for all of it: what ends with its CA ends in the same second.
  const run: Run = { request, folder: new CertsFolder(path), print, now: () => at };
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
  // Of two CAs with one name, nobody could say which a certificate is of.
  const name = `Culvert CA ${randomBytes(4).toString("hex")}`;
  const authority = await createAuthority({ name, algorithm: algorithmOf(request), now });
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
  const authority = await loadAuthority({
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
  if (now() > authority.notAfter.getTime()) {
    const what = `Cannot use "${folder.pathOf("ca.pem")}": it has expired on ${iso(authority.notAfter)}`;
    throw new CulvertError("certs_expired", `${what}; "certs ${folder.path} --force" makes a new one`);
  }
  return { ...run, authority, index };
}

async function issueClient(office: Office): Promise<void> {
  const { request: { operands: [name], names, force: replace } } = office;
  const order = { name: filesOf(name!), kind: "client" as const, replace };
  await save(office, await issue(office, { ...order, names: { ...names, cn: orElse(names.cn, name!) } }));
}

async function issueServer(office: Office): Promise<void> {
  const { request: { operands, names: { dns, ip }, force: replace } } = office;
  const order = { name: filesOf(operands[0]!), kind: "server" as const, replace };
  await save(office, await issue(office, { ...order, names: serverNames([...operands, ...dns, ...ip]) }));
}

/**
 * Issues anew what was issued last for a name. The old one holds on until its end: it has not been revoked.
 */
async function renew(office: Office): Promise<void> {
  const { request, folder } = office;
  const [operand] = request.operands;
  const last = recordsOf(office, operand!).at(-1)!;
  if (last.revoked !== undefined) {
    const what = `Cannot renew "${operand}": it was revoked on ${last.revoked.at}`;
    const anew = commandAnew(folder.path, last);
    throw new CulvertError("certs_revoked", `${what}; for a new one, with a new key: ${anew}`);
  }
  const { name, kind, names } = last;
  const order = { name, kind, names, replace: true };
  // With its old key, what pins the key goes on working.
  const key = request.newKey
    ? { algorithm: request.rsa ? algorithmOf(request) : await keyKindOf(folder, `${name}.pem`) }
    : { keyPem: await folder.read(`${name}.key`) };
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

/** Issues a certificate, with a new key unless there is one, and notes it; nothing is written yet. */
async function issue(office: Office, order: Order): Promise<NewFile[]> {
  const { authority, index, request } = office;
  const { name, kind, names, keyPem, replace } = order;
  const algorithm = order.algorithm ?? (request.rsa ? algorithmOf(request) : undefined);
  const { certPem, keyPem: key, serial, notAfter } = await authority.issue({
    ...names,
    extendedKeyUsage: [kind === "server" ? Oid.serverAuth : Oid.clientAuth],
    ...(algorithm === undefined ? {} : { algorithm }),
    ...(keyPem === undefined ? {} : { keyPem }),
    ...(request.days === undefined ? {} : { notAfter: endAfter(request.days, office) }),
  });
  index.certificates.push({ name, kind, serial, notAfter: notAfter.toISOString(), names });
  const certificate = { name: `${name}.pem`, text: certPem, replace };
  return keyPem === undefined ? [certificate, { name: `${name}.key`, text: key, replace }] : [certificate];
}

/** A CRL of all that has been revoked. It always takes the place of the last one. */
function newCrl(office: Office): NewFile {
  const { authority, request } = office;
  // The days of the first one are those of the certificates beside it.
  const days = request.command === "init" ? undefined : request.days;
  const until = days === undefined ? {} : { nextUpdate: endAfter(days, office) };
  return { name: "ca.crl", text: authority.crl(until), replace: true };
}

/** The end of what is to hold for so many days. What outlives its CA only looks as if it held. */
function endAfter(days: number, { authority, now }: Office): Date {
  const end = new Date(now() + days * DAY_MS);
  const caEndMs = authority.notAfter.getTime();
  // Dates in certificates are of whole seconds.
  if (end.getTime() - caEndMs < 1000) return end;
  const longest = Math.floor((caEndMs + 999 - now()) / DAY_MS);
  const instead = longest > 0
    ? `${longest} is the longest possible`
    : "it ends with the CA where --days is not given";
  const why = `nothing outlives its CA, which ends on ${iso(authority.notAfter)}`;
  throw new CulvertError("bad_usage", `--days ${days}: ${why}; ${instead}`);
}

async function save(office: Office, files: readonly NewFile[]): Promise<void> {
  const { folder, index, authority, print } = office;
  const written = await folder.write({ ...index, crlNumber: authority.crlNumber }, files);
  for (const name of written) print(`wrote ${folder.pathOf(name)}`);
}

/** All that was issued for a name, the oldest first. */
function recordsOf({ index, folder }: Office, operand: string): CertRecord[] {
  const records = index.certificates.filter(({ name }) => name === operand || name === fileName(operand));
  if (records.length > 0) return records;
  const known = [...new Set(index.certificates.map(({ name }) => name))].join(", ");
  throw new CulvertError("bad_usage", `no certificate "${operand}" in "${folder.path}"; there are ${known}`);
}

/** What the files of a new certificate are called. */
function filesOf(name: string): string {
  const file = fileName(name);
  if (file !== "" && !RESERVED.includes(file) && !/^[.-]/.test(file)) return file;
  throw new CulvertError("bad_usage", `a certificate can't be called "${name}"; see certs --help`);
}

function orElse(names: readonly string[], otherwise: string): string[] {
  return names.length === 0 ? [otherwise] : [...names];
}

function algorithmOf(request: CertsRequest): KeyAlgorithm {
  return request.rsa ? "rsa-2048" : "ecdsa-p256";
}

function iso(date: Date): string {
  return date.toISOString();
}
