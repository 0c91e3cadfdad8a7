import { DerNode, Tag, unreadable } from "./der.ts";
import { latin1 } from "../../core/latin1.ts";

/** A name under which the subject is known besides, as it stands there: RFC 5280 section 4.2.1.6. */
export type AlternativeName =
  | { readonly kind: "dns" | "uri" | "email"; readonly value: string }
  | { readonly kind: "ip"; readonly bytes: Uint8Array }
  /** A distinguished name, as DER. */
  | { readonly kind: "directory"; readonly der: Uint8Array }
  /** A name of a form that is not read, by its tag, such as an `otherName`. */
  | { readonly kind: "other"; readonly tag: number };

/** The kinds of names by their tags: RFC 5280 section 4.2.1.6. */
const TEXT_KINDS: ReadonlyMap<number, "dns" | "uri" | "email"> = new Map([
  [0x81, "email"],
  [0x82, "dns"],
  [0x86, "uri"],
]);
const IP_TAG = 0x87;
const DIRECTORY_TAG = 0xa4;
/** otherName, x400Address, ediPartyName and registeredID. */
const OTHER_TAGS: ReadonlySet<number> = new Set([0xa0, 0xa3, 0xa5, 0x88]);

/**
 * Reads a GeneralName.
 *
 * @throws {CulvertError} `bad_certificate` when it is malformed.
 */
export function generalNameOf(node: DerNode): AlternativeName {
  const { tag } = node;
  if (tag === IP_TAG) return { kind: "ip", bytes: node.content(tag) };
  const kind = TEXT_KINDS.get(tag);
  if (kind !== undefined) return { kind, value: latin1(node.content(tag)) };
  if (tag === DIRECTORY_TAG) {
    const [name] = node.children(tag, 1);
    if (name?.tag !== Tag.sequence) throw unreadable("a directory name is malformed");
    return { kind: "directory", der: name.bytes };
  }
  if (!OTHER_TAGS.has(tag)) throw unreadable("a general name has an unexpected tag");
  return { kind: "other", tag };
}
