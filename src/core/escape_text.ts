/** What can end a line, move a cursor, hide, or turn what stands beside it around. */
const DECEIVING = /[\p{C}\p{Zl}\p{Zp}]/gu;
/** A text without any such, and without anything that would take a closer look. */
const PLAIN = /^[\x20-\x7e]*$/;

/**
 * A text as it may stand in a log or on a terminal: control and format characters, separators of lines, and what
 * stands for no character are written as in JSON, `\u001b`. In a quoted text of JSON its meaning is the same after.
 */
export function escapeText(text: string): string {
  return PLAIN.test(text) ? text : text.replaceAll(DECEIVING, escape);
}

function escape(char: string): string {
  return char.split("").map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`).join("");
}
