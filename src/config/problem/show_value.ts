import { escapeText } from "../../core/escape_text.ts";

/** The longest text that {@linkcode showValue} returns. */
const MAX_LENGTH = 60;

/**
 * What stands at a place of a document, for a message: as JSON, cut to about 60 characters, or `maxLength`. The work is bounded
 * too, whatever the value: aliases make documents that are endless or grow exponentially when written out.
 */
export function showValue(value: unknown, maxLength: number = MAX_LENGTH): string {
  if (value === undefined || value === null) return "nothing";
  const text = escapeText(write(value, maxLength));
  if (text.length <= maxLength) return text;
  // A text keeps its closing quote, so that it shows what is the value and what was left out.
  return typeof value === "string" ? `${text.slice(0, maxLength - 2)}…"` : `${text.slice(0, maxLength - 1)}…`;
}

/** May return more than `budget` characters, but stops soon after it has them. */
function write(value: unknown, budget: number): string {
  if (typeof value === "string") return JSON.stringify(value.slice(0, budget));
  if (Array.isArray(value)) return writeItems(value, { budget, brackets: "[]", item: write });
  if (value instanceof Date) return `${isNaN(value.getTime()) ? "a date" : value.toISOString()}`;
  if (typeof value !== "object" || value === null) return String(value);
  return writeItems(Object.entries(value), {
    budget,
    brackets: "{}",
    item: ([key, inner], left) => `${JSON.stringify(key.slice(0, budget))}: ${write(inner, left)}`,
  });
}

interface ItemsOptions<T> {
  readonly budget: number;
  readonly brackets: string;
  readonly item: (item: T, budget: number) => string;
}

function writeItems<T>(items: readonly T[], { budget, brackets, item }: ItemsOptions<T>): string {
  let text = brackets.charAt(0);
  for (const [index, each] of items.entries()) {
    if (text.length > budget) break;
    if (index > 0) text += ", ";
    // One less for each level, so that a list that contains only itself ends too.
    text += item(each, budget - text.length - 1);
  }
  return text + brackets.charAt(1);
}
