import * as v from "valibot";
import { TLV } from "../../net/proxy_protocol/header.ts";
import { PROXY_TLVS, type ProxyProtocolOption } from "../../upstream/proxy_sending.ts";
import { choice, type Field, isMapping, list, mapping, readWith } from "./fields.ts";

/** The types of TLVs that may be named instead of numbered. */
export const TLV_TYPES: Readonly<Record<string, number>> = {
  alpn: TLV.alpn,
  authority: TLV.authority,
  "unique-id": TLV.uniqueId,
  ssl: TLV.ssl,
  netns: TLV.netns,
};

const TYPE_FORM = `a type from 0 to 255, such as 0xea, or one of ${Object.keys(TLV_TYPES).join(", ")}; ` +
  "the checksum (3) and padding (4) are never passed on";

const tlvType: Field<number> = readWith((input) => {
  const type = typeof input === "string" && Object.hasOwn(TLV_TYPES, input) ? TLV_TYPES[input] : input;
  if (typeof type !== "number" || !Number.isInteger(type) || type < 0 || type > 255) return undefined;
  return type === TLV.crc32c || type === TLV.noop ? undefined : type;
}, TYPE_FORM);

const forwardTlvs: Field<boolean | number[]> = v.lazy((input) =>
  Array.isArray(input) ? list(tlvType, "a list of types") : v.boolean("true, false or a list of types")
);

const sending = mapping({
  version: choice(["v1", "v2"]),
  tlvs: v.exactOptional(list(choice(PROXY_TLVS), `a list of ${PROXY_TLVS.join(", ")}`)),
  forwardTlvs: v.exactOptional(forwardTlvs),
}, "a mapping with the version of the PROXY header");

/** The PROXY header of an upstream: a word, or a mapping. */
export const proxyProtocol: Field<ProxyProtocolOption> = v.lazy((input) =>
  isMapping(input) ? sending : choice(["none", "v1", "v2"])
);
