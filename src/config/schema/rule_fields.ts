import * as v from "valibot";
import { isVainSpiffe, type RuleCondition, SPIFFE_FORM } from "../../tls/authorize/rule_conditions.ts";
import { type AllowRule, compileRules, faultOfAll } from "../../tls/authorize/rules.ts";
import { isTrustDomain } from "../../tls/x509/path/trust_domain.ts";
import { crlFiles, type Field, file, filledList, isMapping, mapping, readWith } from "./fields.ts";

// The fields of the configuration that are about peers' certificates.

/** What the keys of a condition take. */
const VALUES: Readonly<Record<string, string>> = {
  any: "true",
  dns: 'a DNS name, or "*." and a DNS name',
  uri: 'a URI such as "spiffe://example.org/ns/*/sa/**", with two stars in a row at most',
  cn: "a name",
  ou: "a name",
  ip: "an IP address, and no subnet",
  spki: '"sha256/" and the 44 characters of base64 that stand for a SHA-256',
};

const CONDITIONS = "{any: true}, {dns: …}, {uri: …}, {cn: …}, {ou: …}, {ip: …}, {spki: sha256/…}";

/** Rules about certificates. `any` must be written: an absent or empty list allows no client. */
export function rules(): Field<AllowRule[]> {
  const message =
    "a list of rules such as {dns: client.example.org}, or {any: true} for every certificate of the CA";
  return filledList(allowRule(), message);
}

/** Trust domains with their CAs and CRLs, by their names. */
export function trustDomains(): Field<{ [name: string]: { ca: string; crl?: string[] } }> {
  const message = "a mapping from trust domains to their CAs";
  const domain = mapping(
    { ca: file(), crl: v.exactOptional(crlFiles()) },
    "a mapping with the CAs of the trust domain",
  );
  const name = v.pipe(
    v.string(),
    v.check(isTrustDomain, "the name of a trust domain in lower case such as example.org, without spiffe://"),
  );
  return v.pipe(
    v.custom<object>(isMapping, message),
    v.record(name, domain),
    v.check((domains) => Object.keys(domains).length > 0, message),
  );
}

/** A mapping with one condition, or `all`, and perhaps `ca`. */
function allowRule(): Field<AllowRule> {
  const message = `one of ${CONDITIONS}, {all: […]}, perhaps with ca`;
  const keys = mapping(
    { ...conditionEntries(), all: v.exactOptional(allConditions()), ca: v.exactOptional(file()) },
    message,
  );
  return v.pipe(
    keys,
    v.check((rule) => kinds(rule) > 0, message),
    v.check(
      (rule) => kinds(rule) < 2,
      "one key in each rule, and perhaps ca; one rule that holds is enough, all joins several",
    ),
    v.transform((rule) => rule as unknown as AllowRule),
  );
}

function kinds(rule: object): number {
  return Object.keys(rule).filter((key) => key !== "ca").length;
}

/** What `all` takes: conditions that one certificate can meet together. */
function allConditions(): Field<RuleCondition[]> {
  const message = `one of ${CONDITIONS}`;
  const condition = v.pipe(
    mapping(conditionEntries(), message),
    v.check((each) => kinds(each) === 1, message),
    v.transform((each) => each as unknown as RuleCondition),
  );
  const conditions = filledList(condition, "a list of one condition at least, such as {ou: operations}");
  return v.pipe(
    conditions,
    v.rawCheck(({ dataset, addIssue }) => {
      const isList = dataset.typed && dataset.value.length > 0;
      const fault = isList ? faultOfAll(dataset.value) : undefined;
      if (fault !== undefined) addIssue({ message: fault.replace(/^expected /, "") });
    }),
  );
}

function conditionEntries(): Record<string, ReturnType<typeof v.exactOptional<Field<unknown>, undefined>>> {
  return Object.fromEntries(
    Object.entries(VALUES).map(([key, expected]) => [key, v.exactOptional(conditionValue(key, expected))]),
  );
}

function conditionValue(key: string, expected: string): Field<unknown> {
  const read = (input: unknown) => {
    compileRules([{ [key]: input } as unknown as AllowRule]);
    return input;
  };
  const [general, ofSpiffe] = [readWith(read, expected), readWith(read, SPIFFE_FORM)];
  const isSpiffe = (input: unknown) => key === "uri" && typeof input === "string" && isVainSpiffe(input);
  return v.lazy((input) => isSpiffe(input) ? ofSpiffe : general);
}
