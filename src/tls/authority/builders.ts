/** All that needs pkijs and asn1js. Imported dynamically, so that a program that issues nothing does not load them. */
export { buildCertificate } from "./certificate_builder.ts";
export { buildCrl } from "./crl_builder.ts";
export { buildSubject } from "./name_builder.ts";
