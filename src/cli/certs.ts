import { randomBytes } from "node:crypto";
import { CulvertError } from "../core/errors.ts";
import { type Authority, createAuthority, loadAuthority } from "../tls/authority/authority.ts";
import type { KeyAlgorithm } from "../tls/authority/generate_key.ts";
import { Oid, type RevocationReason } from "../tls/x509/oids.ts";
import { fileName, keyKindOf, reissueCommand } from "./reissue_command.ts";
import { type CertIndex, type CertRecord, CertsFolder, type NewFile } from "./certs_folder.ts";
import { checkNames, serverNames } from "./certs_names.ts";
import { CERTS_USAGE, type CertsRequest, parseCertsRequest } from "./certs_request.ts";
import { requirePermissions } from "./permissions.ts";

/** What the command uses besides its arguments. */
export interface CertsOptions {
  /** Prints what has been done. @default {console.log} */
  readonly print?: (line: string) => void;
  /** Tells the time. @default {Date.now} */
  readonly now?: () => number;
}

/** One run of the command. */
interface CertsRun {
  readonly request: CertsRequest;
  readonly folder: CertsFolder;
  readonly print: (line: string) => void;
  readonly now: () => number;
}

/** A run in a folder that has a CA, with that CA. */
interface CertsContext extends CertsRun {
  readonly authority: Authority;
  readonly index: CertIndex;
}

type CertNames = CertRecord["names"];

/** A certificate to issue. */
interface CertificateRequest {
  /** The name of its files, without their endings. */
  readonly name: string;
  readonly kind: CertRecord["kind"];
  readonly names: CertNames;
  readonly keyPem?: string;
  /** The kind of its new key. @default what the arguments ask for, or the kind of the CA's key */
  readonly algorithm?: KeyAlgorithm;
  readonly replace: boolean;
}

const DAY_MS = 86_400_000;
const LOCAL_NAMES = ["localhost", "127.0.0.1", "::1"];
/** The names of other files. */
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
  const run: CertsRun = { request, folder: new CertsFolder(path), print, now: () => at };
  if (command === "init") return await begin(run);
  const context = await open(run);
  switch (command) {
    case "client":
      return await issueClient(context);
    case "server":
      return await issueServer(context);
    case "renew":
      return await renew(context);
    case "revoke":
      return await revoke(context);
    case "crl":
      return await save(context, [newCrl(context)]);
  }
}

async function begin(run: CertsRun): Promise<void> {
  const { request, folder, now } = run;
  if (!request.force && await folder.has("ca.pem")) {
    const what = `Cannot make a CA in "${folder.path}": there is one already; see --force`;
    throw new CulvertError("certs_exist", what);
  }
  // With two CAs of one name it would be unknown which of them issued a certificate.
  const name = `Culvert CA ${randomBytes(4).toString("hex")}`;
  const authority = await createAuthority({ name, algorithm: algorithmOf(request), now });
  const context = { ...run, authority, index: { version: 1 as const, crlNumber: 0, certificates: [] } };
  const names = serverNames([...LOCAL_NAMES, ...request.serverNames]);
  const replace = request.force;
  const clientNames = { ...request.names, cn: orElse(request.names.cn, "client") };
  await save(context, [
    { name: "ca.pem", text: authority.certPem, replace },
    { name: "ca.key", text: authority.keyPem, replace },
    ...await issue(context, { name: "server", kind: "server", names, replace }),
    ...await issue(context, { name: "client", kind: "client", names: clientNames, replace }),
    newCrl(context),
  ]);
}

/** Loads the CA of the folder. */
async function open(run: CertsRun): Promise<CertsContext> {
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

async function issueClient(context: CertsContext): Promise<void> {
  const { request: { operands: [name], names, force: replace } } = context;
  const wanted = { name: filesOf(name!), kind: "client" as const, replace };
  await save(context, await issue(context, { ...wanted, names: { ...names, cn: orElse(names.cn, name!) } }));
}

async function issueServer(context: CertsContext): Promise<void> {
  const { request: { operands, names: { dns, ip }, force: replace } } = context;
  const wanted = { name: filesOf(operands[0]!), kind: "server" as const, replace };
  await save(context, await issue(context, { ...wanted, names: serverNames([...operands, ...dns, ...ip]) }));
}

/** Issues a certificate with the names of the last one of that name. The old one stays valid until it ends. */
async function renew(context: CertsContext): Promise<void> {
  const { request, folder } = context;
  const [operand] = request.operands;
  const last = recordsOf(context, operand!).at(-1)!;
  if (last.revoked !== undefined) {
    const what = `Cannot renew "${operand}": it was revoked on ${last.revoked.at}`;
    const command = reissueCommand(folder.path, last);
    throw new CulvertError("certs_revoked", `${what}; for a new one, with a new key: ${command}`);
  }
  const { name, kind, names } = last;
  const wanted = { name, kind, names, replace: true };
  // With the old key, pins of the key stay valid.
  const key = request.newKey
    ? { algorithm: request.rsa ? algorithmOf(request) : await keyKindOf(folder, `${name}.pem`) }
    : { keyPem: await folder.read(`${name}.key`) };
  await save(context, await issue(context, { ...wanted, ...key }));
}

/** Revokes all certificates of a name: the older ones would be accepted in the same places. */
async function revoke(context: CertsContext): Promise<void> {
  const { request, authority, now, print } = context;
  const [operand] = request.operands;
  const open = recordsOf(context, operand!).filter(({ revoked }) => revoked === undefined);
  if (open.length === 0) {
    throw new CulvertError("certs_revoked", `Cannot revoke "${operand}": it is revoked already`);
  }
  const at = new Date(now());
  for (const record of open) {
    authority.revoke(record.serial, { at, reason: request.reason });
    record.revoked = { at: at.toISOString(), reason: request.reason };
  }
  await save(context, [newCrl(context)]);
  for (const { name, serial } of open) print(`revoked ${name}, serial ${serial}`);
}

/** Issues a certificate, with a new key unless there is one, and notes it; nothing is written yet. */
async function issue(context: CertsContext, wanted: CertificateRequest): Promise<NewFile[]> {
  const { authority, index, request } = context;
  const { name, kind, names, keyPem, replace } = wanted;
  const algorithm = wanted.algorithm ?? (request.rsa ? algorithmOf(request) : undefined);
  const { certPem, keyPem: key, serial, notAfter } = await authority.issue({
    ...names,
    extendedKeyUsage: [kind === "server" ? Oid.serverAuth : Oid.clientAuth],
    ...(algorithm === undefined ? {} : { algorithm }),
    ...(keyPem === undefined ? {} : { keyPem }),
    ...(request.days === undefined ? {} : { notAfter: endAfter(request.days, context) }),
  });
  index.certificates.push({ name, kind, serial, notAfter: notAfter.toISOString(), names });
  const certificate = { name: `${name}.pem`, text: certPem, replace };
  return keyPem === undefined ? [certificate, { name: `${name}.key`, text: key, replace }] : [certificate];
}

/** A CRL of all that has been revoked. It replaces the last one. */
function newCrl(context: CertsContext): NewFile {
  const { authority, request } = context;
  // The days of the first one are those of the certificates beside it.
  const days = request.command === "init" ? undefined : request.days;
  const until = days === undefined ? {} : { nextUpdate: endAfter(days, context) };
  return { name: "ca.crl", text: authority.crl(until), replace: true };
}

/** The end of a validity of so many days. It must not be later than the end of the CA. */
function endAfter(days: number, { authority, now }: CertsContext): Date {
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

async function save(context: CertsContext, files: readonly NewFile[]): Promise<void> {
  const { folder, index, authority, print } = context;
  const written = await folder.write({ ...index, crlNumber: authority.crlNumber }, files);
  for (const name of written) print(`wrote ${folder.pathOf(name)}`);
}

/** All that was issued for a name, the oldest first. */
function recordsOf({ index, folder }: CertsContext, operand: string): CertRecord[] {
  const records = index.certificates.filter(({ name }) => name === operand || name === fileName(operand));
  if (records.length > 0) return records;
  const known = [...new Set(index.certificates.map(({ name }) => name))].join(", ");
  throw new CulvertError("bad_usage", `no certificate "${operand}" in "${folder.path}"; there are ${known}`);
}

/** The name of the files of a new certificate. */
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
