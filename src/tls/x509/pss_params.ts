import { DerNode, Tag, unreadable } from "./der.ts";

/** The parameters of RSASSA-PSS: RFC 4055 section 3.1. */
export interface PssParams {
  /** The object identifier of the digest. */
  readonly hash: string;
  /** The object identifier of the digest within the mask generation function MGF1. */
  readonly mgfHash: string;
  /** In octets. */
  readonly saltLength: number;
}

const SHA1 = "1.3.14.3.2.26";
const MGF1 = "1.2.840.113549.1.1.8";
const [HASH, MGF, SALT_LENGTH, TRAILER] = [0xa0, 0xa1, 0xa2, 0xa3];
const DEFAULT_SALT_LENGTH = 20n;
const MAX_SALT_LENGTH = 1024n;

/**
 * Reads the parameters (DER).
 *
 * @throws {CulvertError} `bad_certificate` when they are malformed, or name another trailer or mask function than the
 * only ones there are.
 */
export function pssParamsOf(node: DerNode): PssParams {
  const byTag = new Map(node.children(Tag.sequence, 4).map((part) => [part.tag, part]));
  const inner = (tag: number) => byTag.get(tag)?.children(tag, 1)[0];
  const [mask, maskParams] = inner(MGF)?.children(Tag.sequence, 2) ?? [];
  const trailer = inner(TRAILER)?.positive() ?? 1n;
  const saltLength = inner(SALT_LENGTH)?.integer() ?? DEFAULT_SALT_LENGTH;
  if ((mask !== undefined && mask.oid() !== MGF1) || trailer !== 1n || saltLength > MAX_SALT_LENGTH) {
    throw unreadable("its parameters of RSASSA-PSS are not supported");
  }
  return {
    hash: digestOf(inner(HASH)),
    mgfHash: digestOf(maskParams),
    saltLength: Number(saltLength),
  };
}

function digestOf(algorithm: DerNode | undefined): string {
  return algorithm?.children(Tag.sequence, 2)[0]?.oid() ?? SHA1;
}
