import { DnsError } from "../errors.ts";

const MAX_NAME_BYTES = 255;
const MAX_LABEL_BYTES = 63;
/** Far more than any server writes. Without a limit, chains of pointers would cost much more than their bytes. */
const MAX_POINTERS = 32;

/**
 * Writes a name as labels (RFC 1035, section 3.1).
 *
 * @throws {DnsError} `dns_malformed` if the name is not valid.
 */
export function writeName(name: string): Uint8Array {
  const labels = name.replace(/\.$/, "").split(".");
  const bytes: number[] = [];
  for (const label of labels) {
    if (!/^[\x21-\x7e]+$/.test(label) || label.length > MAX_LABEL_BYTES) {
      throw new DnsError(
        "dns_malformed",
        `Cannot resolve "${name}": it is not a valid name of a host or service`,
      );
    }
    bytes.push(label.length);
    for (let i = 0; i < label.length; i++) bytes.push(label.charCodeAt(i));
  }
  bytes.push(0);
  if (bytes.length > MAX_NAME_BYTES) {
    throw new DnsError("dns_malformed", `Cannot resolve "${name}": the name is too long`);
  }
  return Uint8Array.from(bytes);
}

/**
 * Reads the name at `offset` of a message, in lower case and without a trailing dot; `end` is the offset behind it. Its
 * pointers (RFC 1035, section 4.1.4) must point backwards; their number is limited.
 *
 * @throws {DnsError} `dns_malformed`.
 */
export function readName(message: Uint8Array, offset: number): { name: string; end: number } {
  let name = "";
  let size = 1;
  let at = offset;
  let end = -1;
  let pointers = 0;
  for (;;) {
    const length = message[at];
    if (length === undefined) throw badName("it is truncated");
    if (length === 0) return { name, end: end === -1 ? at + 1 : end };
    if (length >= 0xc0) {
      const low = message[at + 1];
      if (low === undefined) throw badName("it is truncated");
      const target = (length & 0x3f) * 256 + low;
      if (target >= at || ++pointers > MAX_POINTERS) {
        throw badName("it has a forward pointer or too many pointers");
      }
      if (end === -1) end = at + 2;
      at = target;
      continue;
    }
    size += length + 1;
    if (length > MAX_LABEL_BYTES || size > MAX_NAME_BYTES) throw badName("it is too long");
    if (at + 1 + length > message.length) throw badName("it is truncated");
    name += (name === "" ? "" : ".") + labelText(message.subarray(at + 1, at + 1 + length));
    at += 1 + length;
  }
}

/** Bytes that would be ambiguous in a name, such as a dot, are written as `\ddd`. */
function labelText(label: Uint8Array): string {
  let text = "";
  for (const byte of label) {
    const plain = byte > 0x20 && byte < 0x7f && byte !== 0x2e && byte !== 0x5c;
    text += plain ? String.fromCharCode(byte) : `\\${String(byte).padStart(3, "0")}`;
  }
  return text.toLowerCase();
}

function badName(reason: string): DnsError {
  return new DnsError("dns_malformed", `Cannot read a DNS name: ${reason}`);
}
