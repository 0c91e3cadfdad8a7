import { CulvertError } from "../../core/errors.ts";
import type { Certificate } from "../x509/certificate.ts";
import type { CrlProblem, CrlSet } from "../x509/crl/set.ts";
import { identityOf, nameOf } from "../x509/identity.ts";
import type { AuthorizationFinding, PathAuthorizer } from "../x509/path/check.ts";
import { type AllowRule, compilePathRules, type PathTest } from "./rules.ts";
import { isTrustDomain, leafTrustDomain, wrongTrustDomain } from "../x509/path/trust_domain.ts";
import { TrustStore } from "../x509/path/trust_store.ts";

/** What vouches for the SPIFFE IDs of one trust domain. */
export interface TrustDomainOptions {
  /** The domain's bundle: its CAs in PEM. */
  readonly ca: string;
  /** What has been revoked; absent: that is not looked at for this domain. */
  readonly crls?: CrlSet | undefined;
}

/** The CAs that clients must be certified by, and the rules that authorize clients. */
export interface ClientTrustOptions {
  /**
   * The CAs that may have issued the clients' certificates, in PEM. With `trustDomains` they vouch for certificates
   * without a SPIFFE ID alone.
   */
  readonly ca?: string | undefined;
  /** What these have revoked; absent: that is not looked at. */
  readonly crls?: CrlSet | undefined;
  /**
   * The bundles of SPIFFE trust domains by their names, such as `example.org`. Where they are given, a certificate with
   * a SPIFFE ID is accepted only by a CA of the bundle of its own domain, over no CA of another's; one of a domain that
   * is not listed, or with a URI of `spiffe:` that is no SPIFFE ID, is refused.
   */
  readonly trustDomains?: Readonly<Record<string, TrustDomainOptions>> | undefined;
  /** The clients that are authorized; one matching rule is enough. @default none */
  readonly allow?: readonly AllowRule[] | undefined;
}

interface Domain extends TrustDomainOptions {
  readonly trust: TrustStore;
}

/** Checks verified paths of client certificates: trust domains, the CRLs that apply, and the rules. Immutable. */
export class ClientTrust implements PathAuthorizer {
  /** All CAs, including those of trust domains; `undefined` if there are none. */
  readonly store: TrustStore | undefined;
  readonly options: ClientTrustOptions;
  readonly #own: TrustStore | undefined;
  readonly #domains: ReadonlyMap<string, Domain> | undefined;
  /** The keys of the CAs of each trust domain. */
  readonly #keys: ReadonlyMap<string, ReadonlySet<string>>;
  readonly #allowed: PathTest;

  /** @throws {CulvertError} `bad_certificate`, `bad_tls_options` or `bad_rule`. */
  constructor(options: ClientTrustOptions) {
    const { ca, trustDomains, allow = [] } = options;
    this.options = options;
    this.#own = ca === undefined ? undefined : new TrustStore(ca);
    this.#domains = trustDomains && readDomains(trustDomains);
    this.#keys = new Map(
      [...this.#domains ?? []].map(([name, { trust }]) => [
        name,
        new Set(trust.certificates.map(({ spki }) => spki.toHex())),
      ]),
    );
    const stores = [this.#own, ...[...this.#domains?.values() ?? []].map(({ trust }) => trust)];
    const known = stores.filter((store) => store !== undefined);
    this.store = known.length < 2
      ? known[0]
      : new TrustStore(known.flatMap(({ certificates }) => certificates));
    this.#allowed = compilePathRules(allow);
  }

  /** The CAs of `ca`. */
  get authorities(): readonly Certificate[] {
    return this.#own?.certificates ?? [];
  }

  /** The CAs of a trust domain. */
  authoritiesOf(domain: string): readonly Certificate[] {
    return this.#domains?.get(domain)?.trust.certificates ?? [];
  }

  /** Why clients are rejected now because a CRL is missing, unreadable or expired, and how many; `undefined`: none are. */
  problem(nowMs: number): CrlProblem | undefined {
    const { crls } = this.options;
    const found = crls && this.#own && crls.problemOf(this.#own.certificates, nowMs);
    const all = [
      found,
      ...[...this.#domains?.values() ?? []].map(({ trust, crls }) =>
        crls?.problemOf(trust.certificates, nowMs)
      ),
    ];
    const problem = all.find((each) => each !== undefined);
    if (problem === undefined) return undefined;
    const served = all.length - (this.#own === undefined ? 1 : 0);
    const shut = all.filter((each) => each?.rejects === "all").length;
    return { ...problem, rejects: shut === served ? "all" : "some" };
  }

  /** The CRLs that this path is looked at by; absent: revocation is not looked at. */
  crlsFor(path: readonly Certificate[]): CrlSet | undefined {
    const domain = this.#domains && leafTrustDomain(path[0]!);
    return typeof domain === "string" ? this.#domains!.get(domain)?.crls : this.options.crls;
  }

  /** What stands against a path whose certificates are good by themselves. */
  check(path: readonly Certificate[]): AuthorizationFinding | undefined {
    const finding = this.#domains === undefined ? undefined : this.#checkDomain(path);
    if (finding !== undefined) return finding;
    if (this.ruleFor(path) !== undefined) return undefined;
    return { reason: "not-allowed", detail: `no rule allows ${nameOf(identityOf(path[0]!))}` };
  }

  /** The first rule of `allow` that holds for this path; `undefined`: none does. */
  ruleFor(path: readonly Certificate[]): AllowRule | undefined {
    return this.#allowed(identityOf(path[0]!), path);
  }

  #checkDomain(path: readonly Certificate[]): AuthorizationFinding | undefined {
    const [leaf, anchor] = [path[0]!, path.at(-1)!];
    const domain = leafTrustDomain(leaf);
    if (domain === null) {
      return wrongTrustDomain(leaf, "its spiffe: URI is not a SPIFFE ID, or not its only URI");
    }
    if (domain === undefined) {
      if (this.#own?.has(anchor)) return undefined;
      return wrongTrustDomain(
        leaf,
        `it has no SPIFFE ID, and ${anchor.subjectName} may only issue certificates with one`,
      );
    }
    const bundle = this.#domains!.get(domain);
    if (bundle === undefined) {
      return wrongTrustDomain(leaf, `the trust domain ${domain} is not listed in trustDomains`);
    }
    if (!bundle.trust.has(anchor)) {
      return wrongTrustDomain(
        leaf,
        `${anchor.subjectName} is not in the bundle of the trust domain ${domain}`,
      );
    }
    return this.#checkForeign(path, domain);
  }

  /** A CA of one domain issues no IDs of another, even where that one has certified it. */
  #checkForeign(path: readonly Certificate[], domain: string): AuthorizationFinding | undefined {
    for (const { spki, subjectName } of path.slice(1)) {
      const key = spki.toHex();
      if (this.#keys.get(domain)!.has(key)) continue;
      const owner = [...this.#keys].find(([, keys]) => keys.has(key))?.[0];
      if (owner === undefined) continue;
      return wrongTrustDomain(
        path[0]!,
        `${subjectName} is a CA of the trust domain ${owner}, and not of ${domain}`,
      );
    }
    return undefined;
  }
}

function readDomains(domains: Readonly<Record<string, TrustDomainOptions>>): ReadonlyMap<string, Domain> {
  const entries = Object.entries(domains);
  if (entries.length === 0) throw badOptions("trustDomains is empty");
  return new Map(entries.map(([name, domain]) => {
    if (!isTrustDomain(name)) {
      throw badOptions(`"${name}" is not a trust domain: expected a name in lower case such as example.org`);
    }
    return [name, { ...domain, trust: new TrustStore(domain.ca) }];
  }));
}

function badOptions(why: string): CulvertError {
  return new CulvertError("bad_tls_options", `Cannot use these TLS options: ${why}`);
}
