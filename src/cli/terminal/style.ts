/** How text is set off on a terminal. */
export type Style = "bold" | "red" | "yellow" | "green" | "dim" | "reverse";

const CODES: Readonly<Record<Style, number>> = {
  bold: 1,
  dim: 2,
  reverse: 7,
  red: 31,
  green: 32,
  yellow: 33,
};

/** Sets text off, or leaves it as it is. */
export type Paint = (text: string, style: Style) => string;

/** For output that is read by programs, and with `NO_COLOR`. */
export const plain: Paint = (text) => text;

/** With the codes of ECMA-48 (SGR). */
export const coloured: Paint = (text, style) => text === "" ? "" : `\x1b[${CODES[style]}m${text}\x1b[0m`;

/** What suits standard output: codes on a terminal only, and not with `NO_COLOR` (https://no-color.org). */
export function paintFor({ isTerminal }: { isTerminal: boolean }): Paint {
  return isTerminal && !Deno.noColor ? coloured : plain;
}
