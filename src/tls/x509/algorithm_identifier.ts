import { type DerNode, Tag, unreadable } from "./der.ts";

/** An algorithm and its parameters: RFC 5280 section 4.1.1.2. */
export interface AlgorithmIdentifier {
  /** The object identifier of the algorithm. */
  readonly oid: string;
  /** Absent: there are none. */
  readonly params: DerNode | undefined;
}

/**
 * Reads an AlgorithmIdentifier.
 *
 * @throws {CulvertError} `bad_certificate` when it is malformed.
 */
export function algorithmIdentifierOf(node: DerNode): AlgorithmIdentifier {
  const [algorithm, params] = node.children(Tag.sequence, 2);
  if (algorithm === undefined) throw unreadable("an algorithm identifier is empty");
  return { oid: algorithm.oid(), params };
}
