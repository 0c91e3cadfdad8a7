import { pad, textWidth, truncate } from "./text_width.ts";

/** A column of a table. */
export interface Column {
  readonly title: string;
  /** Whether its cells stand at the right, as numbers do. @default {false} */
  readonly right?: boolean;
  /** The fewest columns of the terminal that it is shortened to. @default its title, or all of it if `right` */
  readonly min?: number;
}

const GAP = "  ";

/**
 * Lays a table out: its title line, then a line for each row. In a `width`, columns of texts are shortened, the widest
 * first; what does not fit then is cut at the right. Cells must have no control characters.
 */
export function tableLines(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  { width = Infinity }: { width?: number } = {},
): string[] {
  const widths = columns.map(({ title }, index) =>
    rows.reduce((most, row) => Math.max(most, textWidth(row[index] ?? "")), textWidth(title))
  );
  shrink(widths, { columns, width });
  const line = (cells: readonly string[]) => {
    const laid = columns.map(({ right = false }, index) =>
      pad(truncate(cells[index] ?? "", widths[index]!), { columns: widths[index]!, right })
    );
    return truncate(laid.join(GAP).trimEnd(), width);
  };
  return [line(columns.map(({ title }) => title)), ...rows.map(line)];
}

function shrink(
  widths: number[],
  { columns, width }: { columns: readonly Column[]; width: number },
): void {
  const least = columns.map(({ title, right = false, min }, index) =>
    min ?? (right ? widths[index]! : textWidth(title))
  );
  const total = () => widths.reduce((sum, each) => sum + each, GAP.length * (widths.length - 1));
  for (let over = total() - width; over > 0; over = total() - width) {
    let widest = -1;
    for (const [index, each] of widths.entries()) {
      if (each > least[index]! && (widest === -1 || each > widths[widest]!)) widest = index;
    }
    if (widest === -1) return;
    widths[widest]!--;
  }
}
