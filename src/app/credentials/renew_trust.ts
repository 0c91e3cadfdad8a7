import type { Config, ServiceTls } from "../../config/config.ts";
import { buildGate, type ServerCredentials } from "../../dataplane/credentials.ts";
import type { TlsGate } from "../../tls/gate.ts";
import { CredentialReader } from "./credential_reader.ts";
import type { Credentials } from "./credentials.ts";
import { TrustLoader } from "./trust_loader.ts";

/** What {@linkcode renewTrust} has found. */
export interface RenewedTrust {
  /** Those before with the CAs and CRLs as they are now, and with the warnings of these alone. */
  readonly credentials: Credentials;
  /** The services whose CAs or CRLs are different, by name. */
  readonly services: ReadonlyMap<string, ServerCredentials>;
  /** Whose CAs or CRLs are different, such as `service web`. Empty where a file of CAs has only become bad. */
  readonly usedBy: readonly string[];
}

/** What is renewed of one user. */
interface Renewed {
  readonly credentials: ServerCredentials;
  readonly gate: TlsGate;
  readonly reader: CredentialReader;
  readonly loader: TrustLoader;
}

/**
 * Reads the clients' CAs and CRLs of a configuration that runs with `before` again, and no other file. Where a CRL is
 * bad, the clients of its issuer are rejected, as always; CAs that can't be used are a warning, and those in use stay.
 * Resolves to `undefined` where nothing has changed.
 */
export async function renewTrust(config: Config, before: Credentials): Promise<RenewedTrust | undefined> {
  const renewed = new Map<string, Renewed>();
  for (const { who, server, clientAuth } of usersOf(config, before)) {
    const reader = new CredentialReader();
    const loader = new TrustLoader(reader);
    const credentials = await loader.renew(server, { clientAuth, who });
    const [was, is] = [before.trust.get(who), loader.trust.get(who)];
    if (is?.fingerprint === was?.fingerprint && is?.fault === was?.fault) continue;
    const gate = await buildGate(credentials);
    loader.warnOfProblem(gate, who);
    renewed.set(who, { credentials, gate, reader, loader });
  }
  if (renewed.size === 0) return undefined;
  const all = [...renewed.values()];
  const trust = new Map([...before.trust, ...all.flatMap(({ loader }) => [...loader.trust])]);
  const services = new Map(
    config.services.flatMap(({ name }) => {
      const credentials = renewed.get(userOf(name))?.credentials;
      return credentials === undefined ? [] : [[name, credentials] as const];
    }),
  );
  const isOther = (who: string) => trust.get(who)?.fingerprint !== before.trust.get(who)?.fingerprint;
  const { admin } = before;
  const credentials: Credentials = {
    ...before,
    services: new Map([...before.services, ...services]),
    ...(admin && { admin: { ...admin, ...gateOf(renewed.get("admin")) } }),
    crls: [...new Set(before.crls.flatMap((crl) => renewed.get(crl.usedBy)?.loader.crls ?? [crl]))],
    trust,
    warnings: all.flatMap(({ reader }) => reader.warnings),
  };
  return { credentials, services, usedBy: [...renewed.keys()].filter(isOther) };
}

function gateOf(renewed: Renewed | undefined): Partial<Pick<Renewed, "credentials" | "gate">> {
  return renewed === undefined ? {} : { credentials: renewed.credentials, gate: renewed.gate };
}

/** All that verify clients' certificates. */
function usersOf(
  { services, admin }: Config,
  credentials: Credentials,
): { who: string; server: ServerCredentials; clientAuth: NonNullable<ServiceTls["clientAuth"]> }[] {
  const users = [
    ...services.map(({ name, tls }) => ({
      who: userOf(name),
      server: credentials.services.get(name),
      tls,
    })),
    { who: "admin", server: credentials.admin?.credentials, tls: admin?.tls },
  ];
  return users.flatMap(({ who, server, tls }) =>
    server === undefined || tls?.clientAuth === undefined ? [] : [{ who, server, clientAuth: tls.clientAuth }]
  );
}

/** What a service is called that uses a file. */
function userOf(service: string): string {
  return `service ${service}`;
}
