import { escapeText } from "../../core/escape_text.ts";
import { latin1 } from "../../core/latin1.ts";
import { DerNode, Tag } from "./der.ts";
import { ATTRIBUTE_NAMES } from "./oids.ts";

/** One attribute of a name. */
export interface Attribute {
  /** An object identifier. */
  readonly type: string;
  readonly value: string;
}

/** How many characters of one value, and of a name altogether, are shown: a peer must not be able to fill the log. */
const MAX_VALUE_LENGTH = 128;
const MAX_NAME_LENGTH = 512;

/** How the kinds of text are written, by their tags: RFC 5280 section 4.1.2.4 and X.690 section 8.23. */
const DECODERS: ReadonlyMap<number, (bytes: Uint8Array) => string | undefined> = new Map([
  [12, decoder("utf-8")], // UTF8String
  [18, latin1], // NumericString
  [19, latin1], // PrintableString
  [20, latin1], // TeletexString: no more of it is in use
  [22, latin1], // IA5String
  [26, latin1], // VisibleString
  [28, utf32], // UniversalString
  [30, decoder("utf-16be")], // BMPString
]);

/** Whether an element of this tag is a text. */
export function isTextTag(tag: number): boolean {
  return DECODERS.has(tag);
}

/** The text that an element is; `undefined` for an element that is no text, or of bytes that are none. */
export function textOf(node: DerNode): string | undefined {
  return DECODERS.get(node.tag)?.(node.content(node.tag));
}

/**
 * The attributes of a name (DER) in their order; what is no text is left out.
 *
 * @throws {CulvertError} `bad_certificate` when it is no name.
 */
export function attributesOf(name: Uint8Array): Attribute[] {
  return [...fromTheLast(name)].toReversed();
}

/**
 * How a name is shown to people, RFC 4514: the last attribute first, and everything escaped that could end a
 * line, move a cursor, or be taken for the next attribute. What is long is cut, with `…` in its place.
 */
export function formatAttributes(attributes: readonly Attribute[]): string {
  return format(attributes.toReversed());
}

/**
 * The same for a name in DER, of which no more is read than is shown.
 *
 * @throws {CulvertError} `bad_certificate` when it is no name.
 */
export function formatName(name: Uint8Array): string {
  return format(fromTheLast(name));
}

function* fromTheLast(name: Uint8Array): Generator<Attribute> {
  for (const step of DerNode.whole(name).children(Tag.sequence).toReversed()) {
    for (const pair of step.children(Tag.set).toReversed()) {
      const [type, value] = pair.children(Tag.sequence, 2);
      const text = value && textOf(value);
      if (text !== undefined) yield { type: type!.oid(), value: text };
    }
  }
}

function format(fromTheLast: Iterable<Attribute>): string {
  let shown = "";
  for (const { type, value } of fromTheLast) {
    if (shown !== "") shown += ",";
    shown += `${ATTRIBUTE_NAMES.get(type) ?? type}=${escapeValue(value)}`;
    if (shown.length > MAX_NAME_LENGTH) return cut(shown, MAX_NAME_LENGTH);
  }
  return shown;
}

function escapeValue(value: string): string {
  const escaped = cut(value, MAX_VALUE_LENGTH).replaceAll(/[,+"\\<>;=]/g, "\\$&").replaceAll(
    /^[ #]| $/g,
    "\\$&",
  );
  return escapeText(escaped);
}

/** At most so many characters, and a sign that there were more. */
function cut(text: string, length: number): string {
  if (text.length <= length) return text;
  // Not through the middle of a character of two halves.
  const isSplit = /[\ud800-\udbff]/.test(text[length - 1]!);
  return `${text.slice(0, isSplit ? length - 1 : length)}…`;
}

function decoder(encoding: string): (bytes: Uint8Array) => string | undefined {
  const strict = new TextDecoder(encoding, { fatal: true, ignoreBOM: true });
  return (bytes) => {
    try {
      return strict.decode(bytes);
    } catch {
      return undefined; // No text after all.
    }
  };
}

/** Four octets for each character. */
function utf32(bytes: Uint8Array): string | undefined {
  if (bytes.length % 4 !== 0) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let text = "";
  for (let at = 0; at < bytes.length; at += 4) {
    const code = view.getUint32(at);
    if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) return undefined;
    text += String.fromCodePoint(code);
  }
  return text;
}
