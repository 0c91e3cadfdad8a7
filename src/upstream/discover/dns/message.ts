import { ByteCursor } from "../../../core/byte_cursor.ts";
import { formatIp } from "../../../net/ip.ts";
import { readName, writeName } from "./name.ts";
import { DnsError } from "../errors.ts";

/** The record types of questions. */
export type DnsType = "A" | "AAAA" | "SRV";

/** A question to a server. */
export interface DnsQuestion {
  /** With or without a trailing dot. */
  readonly name: string;
  /** The record type. */
  readonly type: DnsType;
}

/** A record of a type that is used here. Names are in lower case, without a trailing dot. */
export type DnsRecord =
  & { readonly name: string; readonly ttlS: number }
  & (
    | { readonly type: "A" | "AAAA"; readonly address: string }
    | { readonly type: "CNAME"; readonly target: string }
    /** `ttlS` is the time to live of a negative answer (RFC 2308). */
    | { readonly type: "SOA" }
    | {
      readonly type: "SRV";
      readonly priority: number;
      readonly weight: number;
      readonly port: number;
      readonly target: string;
    }
  );

/** A decoded response. */
export interface DnsResponse {
  /** The id of the query. */
  readonly id: number;
  /** It did not fit into a datagram; its records are not decoded then. */
  readonly truncated: boolean;
  /** 0: no error; 3: the name does not exist. */
  readonly rcode: number;
  /** The question that it repeats, such as `db.internal A`, in the form of {@linkcode questionKey}. */
  readonly question: string;
  /** The answer section. */
  readonly answers: readonly DnsRecord[];
  /** The authority section. */
  readonly authority: readonly DnsRecord[];
  /** The additional section. */
  readonly additional: readonly DnsRecord[];
  /** It has no answer and refers to other servers. */
  readonly referral: boolean;
}

const TYPES = { A: 1, NS: 2, CNAME: 5, SOA: 6, AAAA: 28, SRV: 33 } as const;
const CLASS_IN = 1;
const HEADER_BYTES = 12;
const FLAG_RESPONSE = 0x8000;
const FLAG_AUTHORITATIVE = 0x0400;
const FLAG_TRUNCATED = 0x0200;
const FLAG_RECURSION_DESIRED = 0x0100;
const FLAG_RECURSION_AVAILABLE = 0x0080;
/** A longer time to live counts as 0 (RFC 2181, section 8). */
const MAX_TTL_S = 0x7fff_ffff;

/** A question as text, for comparison: `db.internal A`. */
export function questionKey({ name, type }: DnsQuestion): string {
  return `${name.toLowerCase().replace(/\.$/, "")} ${TYPES[type]}`;
}

/**
 * Writes a query that asks for recursion (RFC 1035, section 4.1).
 *
 * @throws {DnsError} `dns_malformed` if the name is not valid.
 */
export function encodeQuery(id: number, { name, type }: DnsQuestion): Uint8Array<ArrayBuffer> {
  const labels = writeName(name);
  const bytes = new Uint8Array(HEADER_BYTES + labels.length + 4);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, id);
  view.setUint16(2, FLAG_RECURSION_DESIRED);
  view.setUint16(4, 1); // one question
  bytes.set(labels, HEADER_BYTES);
  view.setUint16(HEADER_BYTES + labels.length, TYPES[type]);
  view.setUint16(HEADER_BYTES + labels.length + 2, CLASS_IN);
  return bytes;
}

/**
 * Decodes a response, strictly within its bounds; records of other types and classes are ignored.
 *
 * @throws {DnsError} `dns_malformed`.
 */
export function decodeResponse(bytes: Uint8Array): DnsResponse {
  const fail = (reason: string) => new DnsError("dns_malformed", `Cannot read a DNS message: ${reason}`);
  const cursor = new ByteCursor(bytes, { fail });
  const id = cursor.uint(2, "the id");
  const flags = cursor.uint(2, "the flags");
  const counts = [0, 0, 0, 0].map(() => cursor.uint(2, "a count"));
  if ((flags & FLAG_RESPONSE) === 0) throw fail("it is not a response");
  if (counts[0] !== 1) throw fail(`it has ${counts[0]} questions`);
  const question = `${takeName(bytes, cursor)} ${cursor.uint(2, "the question's type")}`;
  if (cursor.uint(2, "the question's class") !== CLASS_IN) throw fail("its class is not IN");
  const truncated = (flags & FLAG_TRUNCATED) !== 0;
  const rcode = flags & 0xf;
  // Some servers cut a record in the middle.
  if (truncated) {
    return { id, truncated, rcode, question, answers: [], authority: [], additional: [], referral: false };
  }
  const answers = readSection(bytes, { cursor, count: counts[1]! });
  const authority = readSection(bytes, { cursor, count: counts[2]! });
  const additional = readSection(bytes, { cursor, count: counts[3]! });
  const final = (flags & (FLAG_AUTHORITATIVE | FLAG_RECURSION_AVAILABLE)) !== 0;
  return {
    id,
    truncated,
    rcode,
    question,
    answers: answers.records,
    authority: authority.records,
    additional: additional.records,
    referral: !final && answers.records.length === 0 && authority.types.has(TYPES.NS) &&
      !authority.types.has(TYPES.SOA),
  };
}

interface Section {
  readonly records: readonly DnsRecord[];
  /** The types of all its records, including ignored ones. */
  readonly types: ReadonlySet<number>;
}

/** A wrong count reaches the end of the bytes: each record takes at least eleven. */
function readSection(bytes: Uint8Array, { cursor, count }: { cursor: ByteCursor; count: number }): Section {
  const records: DnsRecord[] = [];
  const types = new Set<number>();
  for (let i = 0; i < count; i++) {
    const name = takeName(bytes, cursor);
    const type = cursor.uint(2, "a record's type");
    const isInternet = cursor.uint(2, "a record's class") === CLASS_IN;
    const ttl = cursor.uint(4, "a record's time to live");
    const length = cursor.uint(2, "a record's length");
    const start = cursor.offset;
    cursor.take(length, "a record");
    types.add(type);
    if (!isInternet) continue;
    const base = { name, ttlS: ttl > MAX_TTL_S ? 0 : ttl };
    const record = readRecord(bytes, { type, start, end: cursor.offset, base });
    if (record !== undefined) records.push(record);
  }
  return { records, types };
}

function readRecord(
  bytes: Uint8Array,
  options: { type: number; start: number; end: number; base: { name: string; ttlS: number } },
): DnsRecord | undefined {
  const { type, start, end, base } = options;
  const fail = (reason: string) => new DnsError("dns_malformed", `Cannot read a DNS record: ${reason}`);
  const data = new ByteCursor(bytes.subarray(0, end), { fail, offset: start });
  const word = () => data.uint(4, "an address");
  let record: DnsRecord;
  if (type === TYPES.A) {
    record = { ...base, type: "A", address: formatIp({ family: 4, words: [word()] }) };
  } else if (type === TYPES.AAAA) {
    record = {
      ...base,
      type: "AAAA",
      address: formatIp({ family: 6, words: [word(), word(), word(), word()] }),
    };
  } else if (type === TYPES.CNAME) {
    record = { ...base, type: "CNAME", target: takeName(bytes, data) };
  } else if (type === TYPES.SRV) {
    const [priority, weight, port] = [data.uint(2, "SRV"), data.uint(2, "SRV"), data.uint(2, "SRV")];
    record = { ...base, type: "SRV", priority, weight, port, target: takeName(bytes, data) };
  } else if (type === TYPES.SOA) {
    takeName(bytes, data);
    takeName(bytes, data);
    data.take(16, "SOA"); // serial, refresh, retry, expire
    record = { ...base, type: "SOA", ttlS: Math.min(base.ttlS, data.uint(4, "SOA")) };
  } else return undefined;
  data.end("a record");
  return record;
}

function takeName(bytes: Uint8Array, cursor: ByteCursor): string {
  const { name, end } = readName(bytes, cursor.offset);
  cursor.take(end - cursor.offset, "a name");
  return name;
}
