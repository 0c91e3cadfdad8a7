/** A place in the text of a document: where a key or a list item begins, and what stands under it. */
export interface Mark {
  /** Counted from 1. */
  readonly line: number;
  readonly children: Map<string | number, Mark>;
}

/** Adds the mark of a key or list item, without children so far, to what it stands under. */
export function addChild(parent: Mark, { key, line }: { key: string | number; line: number }): Mark {
  const child: Mark = { line, children: new Map() };
  parent.children.set(key, child);
  return child;
}
