import type * as pkijs from "pkijs";
import { ATTRIBUTE_NAMES } from "./oids.ts";

/** One attribute of a name. */
export interface Attribute {
  /** An object identifier. */
  readonly type: string;
  readonly value: string;
}

/** A name in the form in which names are compared here: their DER. (So does the TLS engine.) */
export function nameKey(name: pkijs.RelativeDistinguishedNames): string {
  return new Uint8Array(name.valueBeforeDecode).toHex();
}

/** The attributes of a name in their order; what is no text is left out. */
export function attributesOf(name: pkijs.RelativeDistinguishedNames): Attribute[] {
  return name.typesAndValues.flatMap(({ type, value }) => {
    const block = value as { valueBlock?: { value?: unknown }; idBlock?: { isConstructed: boolean } };
    const text = block.valueBlock?.value;
    // One in pieces is no DER, and the library gives the pieces with their headers as text.
    return typeof text === "string" && block.idBlock?.isConstructed === false ? [{ type, value: text }] : [];
  });
}

/**
 * How a name is shown to people, RFC 4514: the last attribute first, and everything escaped that could end a
 * line, move a cursor, or be taken for the next attribute.
 */
export function formatAttributes(attributes: readonly Attribute[]): string {
  const parts = attributes.toReversed().map(({ type, value }) =>
    `${ATTRIBUTE_NAMES.get(type) ?? type}=${escapeValue(value)}`
  );
  return parts.join(",");
}

function escapeValue(value: string): string {
  return value
    .replaceAll(/[,+"\\<>;=]/g, "\\$&")
    .replaceAll(/^[ #]| $/g, "\\$&")
    .replaceAll(/[\p{C}\p{Zl}\p{Zp}]/gu, (char) => `\\u{${char.codePointAt(0)!.toString(16)}}`);
}
