import type { Config, ServiceTls } from "../../config/config.ts";
import type { TlsGate } from "../../tls/gate.ts";
import { CredentialReader } from "./credential_reader.ts";
import type { Credentials } from "./credentials.ts";
import { TrustLoader } from "./trust_loader.ts";

/** What {@linkcode renewTrust} has found. */
export interface RenewedTrust {
  /** Those from before with the CAs and CRLs of now, and with the warnings of these alone. */
  readonly credentials: Credentials;
  /** Whose CAs or CRLs are others now, such as `service web`. Nobody's, where a file of CAs has only become bad. */
  readonly usedBy: readonly string[];
}

/**
 * Reads the clients' CAs and CRLs of a configuration that runs with `before` again, and no other file. A CRL that is
 * bad makes a gate that lets nobody in, as ever; CAs that can't be used are a warning, and those from before stay.
 * Resolves to `undefined` where nothing has changed.
 */
export async function renewTrust(config: Config, before: Credentials): Promise<RenewedTrust | undefined> {
  const renewed = new Map<string, { gate: TlsGate; reader: CredentialReader; loader: TrustLoader }>();
  for (const { who, gate, clientAuth } of usersOf(config, before)) {
    const reader = new CredentialReader();
    const loader = new TrustLoader(reader);
    const next = await loader.renew(gate, { clientAuth, who });
    const [was, is] = [before.trust.get(who), loader.trust.get(who)];
    if (is?.fingerprint !== was?.fingerprint || is?.fault !== was?.fault) {
      renewed.set(who, { gate: next, reader, loader });
    }
  }
  if (renewed.size === 0) return undefined;
  const { gates, admin, crls } = before;
  const all = [...renewed.values()];
  const trust = new Map([...before.trust, ...all.flatMap(({ loader }) => [...loader.trust])]);
  const credentials: Credentials = {
    ...before,
    gates: new Map([...gates].map(([name, gate]) => [name, renewed.get(serviceOf(name))?.gate ?? gate])),
    ...(admin && { admin: { ...admin, gate: renewed.get("admin")?.gate ?? admin.gate } }),
    crls: crls.flatMap((crl) => renewed.get(crl.usedBy)?.loader.crls ?? [crl]),
    trust,
    warnings: all.flatMap(({ reader }) => reader.warnings),
  };
  const isOther = (who: string) => trust.get(who)?.fingerprint !== before.trust.get(who)?.fingerprint;
  return { credentials, usedBy: [...renewed.keys()].filter(isOther) };
}

/** All that look at clients' certificates. */
function usersOf(
  { services, admin }: Config,
  { gates, admin: material }: Credentials,
): { who: string; gate: TlsGate; clientAuth: NonNullable<ServiceTls["clientAuth"]> }[] {
  const users = [
    ...services.map(({ name, tls }) => ({ who: serviceOf(name), gate: gates.get(name), tls })),
    { who: "admin", gate: material?.gate, tls: admin?.tls },
  ];
  return users.flatMap(({ who, gate, tls }) =>
    gate === undefined || tls?.clientAuth === undefined ? [] : [{ who, gate, clientAuth: tls.clientAuth }]
  );
}

/** As what a service is named that uses a file. */
function serviceOf(name: string): string {
  return `service ${name}`;
}
