const SHOWN_CHARS = 80;

/**
 * What a peer has sent, quoted for an error message: everything but printable ASCII is escaped, so that
 * nobody writes into a log or a terminal what they like, and no more than 80 characters are shown.
 */
export function quoteText(text: string): string {
  const shown = text.length > SHOWN_CHARS ? `${text.slice(0, SHOWN_CHARS)}…` : text;
  // The … is ours, and the only one that may stay.
  return JSON.stringify(shown).replaceAll(/[^\x20-\x7e…]/g, escape);
}

function escape(char: string): string {
  return `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
