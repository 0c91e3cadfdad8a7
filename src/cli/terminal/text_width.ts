import stringWidth from "string-width";

const ASCII = /^[\x20-\x7e]*$/;

/** How many columns a text without control characters takes on a terminal. */
export function textWidth(text: string): number {
  return ASCII.test(text) ? text.length : stringWidth(text);
}

/** The text in at most that many columns; a longer one ends in an ellipsis. */
export function truncate(text: string, columns: number): string {
  if (textWidth(text) <= columns) return text;
  if (columns <= 0) return "";
  let kept = "";
  let width = 0;
  for (const char of text) {
    width += textWidth(char);
    if (width > columns - 1) break;
    kept += char;
  }
  return `${kept}…`;
}

/** The text with spaces in front of it or behind it, to fill that many columns. */
export function pad(text: string, { columns, right = false }: { columns: number; right?: boolean }): string {
  const gap = " ".repeat(Math.max(0, columns - textWidth(text)));
  return right ? gap + text : text + gap;
}
