/**
 * The bytes that hexadecimal digits stand for. Blanks, line breaks and what follows a `#` on a line do not
 * count.
 */
export function hex(text: string): Uint8Array {
  const digits = text.replaceAll(/#.*$/gm, "").replaceAll(/\s/g, "");
  if (!/^(?:[0-9a-fA-F]{2})*$/.test(digits)) throw new Error(`not hexadecimal: ${text}`);
  return Uint8Array.from(digits.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

/** Bytes, or text that stands for its bytes in UTF-8. */
export type Part = Uint8Array | readonly number[] | string;

/** All bytes in a row. */
export function joined(...parts: Part[]): Uint8Array {
  return Uint8Array.from(
    parts.flatMap((part) => [...(typeof part === "string" ? new TextEncoder().encode(part) : part)]),
  );
}
