import { DerNode, Tag } from "./der.ts";
import { isTextTag, textOf } from "./distinguished_name.ts";

/**
 * Names that are longer, or have more attributes or longer values, are compared byte by byte. This bounds the time
 * for one name: a peer may send dozens.
 */
const MAX_NAME_BYTES = 2048;
const MAX_ATTRIBUTES = 32;
const MAX_TEXT_LENGTH = 256;
const PLAIN_ASCII = /^[\x20-\x7e]*$/;
const SPACES = /[\t\n\v\f\r\x85\p{Z}]+/gu;
/** What RFC 4518 sections 2.2 and 2.4 map to nothing or prohibit: control, format, private and unassigned characters. */
const NOT_COMPARABLE = /[\p{C}\ufffd\u034f\u180b-\u180d\ufe00-\ufe0f\ufffc]/u;

/**
 * The form in which the texts of names are compared, RFC 4518 section 2 with caseIgnoreMatch: compatibility forms
 * (NFKC) and letter case are folded, leading and trailing white space is removed, and each run of white space
 * within becomes one space. `undefined` for a text that is longer than 256 characters, or has characters that
 * cannot be seen: such a text is equal only to itself.
 */
export function comparableText(text: string): string | undefined {
  if (text.length > MAX_TEXT_LENGTH) return undefined;
  if (PLAIN_ASCII.test(text)) return text.toLowerCase().replace(/ {2,}/g, " ").trim();
  const spaced = text.replace(SPACES, " ");
  if (NOT_COMPARABLE.test(spaced)) return undefined;
  return foldCase(foldCase(spaced.normalize("NFKC")).normalize("NFKC")).replace(SPACES, " ").trim();
}

/** Lower case, with the letters that differ from their upper case by more than that: RFC 3454 table B.2. */
function foldCase(text: string): string {
  return text.toLowerCase().replaceAll("ß", "ss").replaceAll("ς", "σ");
}

/**
 * The form in which names are compared, RFC 5280 section 7.1: two names (DER) are equal if their keys are. String
 * types, letter case and white space make no difference, nor does the order of the attributes of one step. This is
 * the form of `issuer` and `subject` of certificates and of `issuer` of CRLs; make it once for each name. A name
 * that is malformed or out of bounds (2,048 bytes, 32 attributes, 256 characters in each) is compared by its DER. Never throws;
 * takes less than a millisecond.
 */
export function nameKey(name: Uint8Array): string {
  const steps = nameSteps(name);
  return steps === undefined ? `#${name.toHex()}` : JSON.stringify(steps);
}

/**
 * A name (DER) step by step from the first (relative distinguished names), each in the form in which it is compared.
 * `undefined` for a name that can only be compared as a whole, by its DER: see {@linkcode nameKey}.
 */
export function nameSteps(name: Uint8Array): string[] | undefined {
  if (name.length > MAX_NAME_BYTES) return undefined;
  try {
    let left = MAX_ATTRIBUTES;
    const steps: string[] = [];
    for (const step of DerNode.whole(name).children(Tag.sequence, MAX_ATTRIBUTES)) {
      const pairs = step.children(Tag.set, left).map(comparablePair);
      left -= pairs.length;
      steps.push(pairs.toSorted().join("+"));
    }
    return steps;
  } catch {
    return undefined;
  }
}

function comparablePair(pair: DerNode): string {
  const [type, value, ...more] = pair.children(Tag.sequence, 2);
  if (value === undefined || more.length > 0) throw new TypeError("not an attribute");
  if (!isTextTag(value.tag)) return `${type!.oid()}=#${value.bytes.toHex()}`;
  const text = textOf(value);
  const comparable = text === undefined ? undefined : comparableText(text);
  if (comparable === undefined) throw new TypeError("not comparable");
  // Quoted, so that no value can look like two.
  return `${type!.oid()}=${JSON.stringify(comparable)}`;
}
