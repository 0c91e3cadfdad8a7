import * as v from "valibot";
import { buildServiceTls } from "./build.ts";
import { buildUpstreamTls, resolveTlsPaths } from "./build_upstream.ts";
import type { EtcdTlsPaths, ServiceTls, UpstreamTls } from "./config.ts";
import { etcdTls } from "./schema/discover_schema.ts";
import { type Field, isMapping } from "./schema/fields.ts";
import { formatPath, type Path } from "./problem/problem.ts";
import { DocumentNode } from "./rules/document_node.ts";
import { serviceTls } from "./schema/schema.ts";
import { upstreamTls } from "./schema/upstream_schema.ts";

/** TLS settings, and where in a document they stand. */
export interface TlsSection<T> {
  /** Such as that of `services[0].tls`. */
  readonly path: Path;
  /** Of the service, or of the upstream. */
  readonly name: string;
  readonly tls: T;
}

/** All places of a document that name certificates, keys, CAs and CRLs. */
export interface TlsSections {
  readonly services: readonly TlsSection<ServiceTls>[];
  readonly upstreams: readonly TlsSection<UpstreamTls>[];
  readonly etcd: readonly TlsSection<EtcdTlsPaths>[];
  /** One at the most. */
  readonly admin: readonly TlsSection<ServiceTls>[];
}

/**
 * The TLS settings of a document of version 1, good or bad. Those that are good by themselves are there whatever else
 * is wrong, so that what they name can be looked at; an optional key that is bad is taken for absent, and one that
 * contradicts another for one that does not.
 */
export function readTlsSections(document: unknown, folder: string): TlsSections {
  const root = new DocumentNode([], document);
  const services = root.at("services").items();
  const upstreams = [
    ...root.at("upstreams").entries().map((upstream) => ({ upstream, name: String(upstream.path.at(-1)) })),
    ...services.map((service) => ({ upstream: service.at("upstream"), name: nameOf(service) })),
  ];
  const ofService = { schema: serviceTls, build: buildOfService, folder };
  const ofUpstream = { schema: upstreamTls, build: buildOfUpstream, folder };
  const ofEtcd = { schema: etcdTls, build: resolveTlsPaths, folder };
  return {
    services: services.flatMap((each) => read(each.at("tls"), { ...ofService, name: nameOf(each) })),
    upstreams: upstreams.flatMap(({ upstream, name }) => read(upstream.at("tls"), { ...ofUpstream, name })),
    etcd: upstreams.flatMap(({ upstream, name }) =>
      read(upstream.at("discover").at("etcd").at("tls"), { ...ofEtcd, name })
    ),
    admin: read(root.at("admin").at("tls"), { ...ofService, name: "admin" }),
  };
}

// Contradictions are reported by rules/document.ts and rules/upstream.ts with their keys, and not here once more.

function buildOfService(tls: v.InferOutput<typeof serviceTls>, folder: string): ServiceTls {
  const { clientAuth, ...rest } = tls;
  const isWhole = clientAuth?.ca !== undefined || clientAuth?.trustDomains !== undefined;
  const auth = clientAuth !== undefined && isWhole ? { clientAuth } : {};
  return buildServiceTls({ ...rest, ...auth, ...possibleVersions(tls) }, folder);
}

function buildOfUpstream(tls: v.InferOutput<typeof upstreamTls>, folder: string): UpstreamTls {
  const { verify, allow } = tls;
  return buildUpstreamTls(
    { ...tls, ...possibleVersions(tls), verify: verify || allow !== undefined },
    folder,
  );
}

function possibleVersions({ minVersion, maxVersion }: Versions): Versions {
  return { minVersion: minVersion > maxVersion ? maxVersion : minVersion, maxVersion };
}

type Versions = Pick<UpstreamTls, "minVersion" | "maxVersion">;

function nameOf(service: DocumentNode): string {
  const { value } = service.at("name");
  return typeof value === "string" ? value : formatPath(service.path);
}

interface SectionOptions<S, T> {
  readonly schema: Field<S>;
  readonly build: (section: S, folder: string) => T;
  readonly folder: string;
  readonly name: string;
}

/** A list of one at the most. */
function read<S, T>({ path, value }: DocumentNode, options: SectionOptions<S, T>): TlsSection<T>[] {
  const { schema, build, folder, name } = options;
  if (!isMapping(value)) return [];
  let result = v.safeParse(schema, value);
  if (!result.success) {
    const bad = new Set(result.issues.map((issue) => issue.path?.[0]?.key));
    result = v.safeParse(schema, Object.fromEntries(Object.entries(value).filter(([key]) => !bad.has(key))));
  }
  return result.success ? [{ path, name, tls: build(result.output, folder) }] : [];
}
