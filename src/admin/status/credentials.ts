import * as v from "valibot";
import { field, list, object, optional, text, time } from "./fields.ts";

const path = field(text, "Path of the file");
const usedBy = field(
  list(text),
  "What refers to it in the configuration: `service web`, `upstream db`, `etcd of upstream db` or `admin`",
);

/** The schema of one certificate that is presented to peers. */
export const certificateSchema = object({
  path,
  usedBy,
  subject: field(v.string(), "Subject of the certificate"),
  notBefore: field(time, "Start of its validity"),
  notAfter: field(time, "End of its validity"),
});

/** The schema of one CRL that is enforced. */
export const crlSchema = object({
  path,
  usedBy,
  issuer: optional(
    v.string(),
    "Issuer of the CRL; absent, like `thisUpdate` and `nextUpdate`, if the file is unreadable",
  ),
  thisUpdate: optional(time, "When the CRL was issued"),
  nextUpdate: optional(time, "When the CRL expires; absent if it does not say"),
  usable: field(
    v.boolean(),
    "Whether the file is usable; if not, every certificate from its CAs is rejected",
  ),
  problem: optional(text, "Why it is not usable"),
});

/** One certificate that is presented to peers: the leaf of a chain. */
export interface CertificateStatus extends v.InferOutput<typeof certificateSchema> {}
/** One CRL that is enforced. */
export interface CrlStatus extends v.InferOutput<typeof crlSchema> {}
