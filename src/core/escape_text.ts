/** Characters that can end a line, move a cursor, are invisible, or change the direction of text. */
const UNSAFE = /[\p{C}\p{Zl}\p{Zp}]/gu;
const PRINTABLE_ASCII = /^[\x20-\x7e]*$/;
const MAX_QUOTED_CHARS = 80;

/**
 * A text made safe to show in a log or on a terminal: control and format characters, line separators and unassigned
 * characters are written as in JSON, `\u001b`. A quoted JSON text keeps its meaning.
 */
export function escapeText(text: string): string {
  return PRINTABLE_ASCII.test(text) ? text : text.replaceAll(UNSAFE, escapeUnits);
}

/**
 * What a peer has sent, in quotes for an error message: everything but printable ASCII is escaped, and at most 80
 * characters are shown.
 */
export function quoteText(text: string): string {
  const shown = text.length > MAX_QUOTED_CHARS ? `${text.slice(0, MAX_QUOTED_CHARS)}…` : text;
  // The … was added above: it is the only one that is not escaped.
  return JSON.stringify(shown).replaceAll(/[^\x20-\x7e…]/g, escapeUnits);
}

function escapeUnits(chars: string): string {
  return chars.split("").map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`).join("");
}
