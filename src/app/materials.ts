import type { Config, ServiceConfig, UpstreamConfig } from "../config/config.ts";
import { ConfigError, type Problem } from "../config/problem.ts";
import { CulvertError, describeError } from "../core/errors.ts";
import type { BufferPool } from "../net/buffers.ts";
import { type Dial, dial } from "../net/dial.ts";
import { canShareAddresses, type RuntimeTls } from "../net/listen.ts";
import { parseCrls } from "../tls/crl.ts";
import { CrlSet } from "../tls/crl_set.ts";
import { checkServerMaterial } from "../tls/material.ts";
import { tlsDial } from "../tls/tls_dial.ts";
import { TlsGate } from "../tls/tls_gate.ts";
import { TrustStore } from "../tls/trust_store.ts";

/** What a configuration's certificates, keys, CAs and CRLs make: read, checked, ready for use. */
export interface Materials {
  /** By the service's name. */
  readonly gates: ReadonlyMap<string, TlsGate>;
  /** For the services whose TLS the runtime can speak, by the service's name. */
  readonly runtimeTls: ReadonlyMap<string, RuntimeTls>;
  /** Diallers of the upstreams that speak TLS, by the upstream's name. */
  readonly dials: ReadonlyMap<string, Dial>;
  /** What should be looked after, though it works; a line each. */
  readonly warnings: readonly string[];
}

/** Options of {@linkcode loadMaterials}. */
export interface LoadMaterialsOptions {
  /** What messages call the configuration. */
  readonly name: string;
  readonly buffers: BufferPool;
}

/**
 * Reads and checks all files that a configuration names.
 *
 * @throws {ConfigError} with every file that can't be read or used. A CRL is no such file: one that is bad makes a gate
 * that lets nobody in, and a warning.
 */
export async function loadMaterials(config: Config, options: LoadMaterialsOptions): Promise<Materials> {
  const loader = new Loader();
  const { runtimeTls, problems, warnings } = loader;
  const gates = new Map<string, TlsGate>();
  const dials = new Map<string, Dial>();
  for (const [index, service] of config.services.entries()) {
    const gate = await loader.gate(service, `services[${index}].tls`);
    if (gate !== undefined) gates.set(service.name, gate);
  }
  for (const upstream of config.upstreams.values()) {
    const dial = await loader.dial(upstream, {
      path: `upstreams.${upstream.name}.tls`,
      buffers: options.buffers,
    });
    if (dial !== undefined) dials.set(upstream.name, dial);
  }
  if (problems.length > 0) throw new ConfigError(options.name, problems);
  return { gates, runtimeTls, dials, warnings };
}

/** Goes on after what can't be used, so that all of it is told in one go. */
class Loader {
  readonly runtimeTls = new Map<string, RuntimeTls>();
  readonly problems: Problem[] = [];
  readonly warnings: string[] = [];

  /** Undefined for a service without TLS, and where there is a problem. */
  async gate({ name, tls }: ServiceConfig, path: string): Promise<TlsGate | undefined> {
    if (tls === undefined) return undefined;
    const { minVersion, maxVersion, alpn, clientAuth } = tls;
    const own = await this.#own(tls, { path, who: `service ${name}`, usage: "server" });
    const ca = await this.#ca(clientAuth?.caPath, `${path}.clientAuth.ca`);
    const crls = clientAuth?.crlPath === undefined ? undefined : await loadCrls(clientAuth.crlPath);
    const client = clientAuth && { ca, clientAuth: clientAuth.mode, allow: clientAuth.allow, crls };
    if (own === undefined || (clientAuth !== undefined && ca === undefined)) return undefined;
    const gate = await this.#attempt(
      path,
      () => new TlsGate({ ...own, minVersion, maxVersion, alpn, ...client }),
    );
    // Where its listener can't give way to the next one without a gap, TLS of ours is spoken.
    if (tls.native && canShareAddresses) this.runtimeTls.set(name, { ...own, alpn });
    else if (tls.native) {
      this.warnings.push(`service ${name}: tls.native needs --unstable-net, and is not used`);
    }
    const problem = gate?.problem;
    if (problem !== undefined) this.warnings.push(`service ${name}: nobody can come in: ${problem.detail}`);
    return gate;
  }

  /** Undefined for an upstream without TLS, and where there is a problem. */
  async dial(
    { name, tls }: UpstreamConfig,
    { path, buffers }: { path: string; buffers: BufferPool },
  ): Promise<Dial | undefined> {
    if (tls === undefined) return undefined;
    const { caPath, certPath, keyPath, serverName, verify, allow } = tls;
    if (!verify) {
      this.warnings.push(`upstream ${name}: the backends' certificates are NOT verified (tls.verify: false)`);
    }
    const { length } = this.problems;
    const ca = await this.#ca(caPath, `${path}.ca`);
    const own = certPath === undefined || keyPath === undefined
      ? undefined
      : await this.#own({ certPath, keyPath }, { path, who: `upstream ${name}`, usage: "client" });
    if (this.problems.length > length) return undefined;
    return await this.#attempt(path, () => tlsDial({ ca, ...own, serverName, verify, allow, dial, buffers }));
  }

  /** A certificate of ours and its key. */
  async #own(
    { certPath, keyPath }: { certPath: string; keyPath: string },
    { path, who, usage }: { path: string; who: string; usage: "server" | "client" },
  ): Promise<{ cert: string; key: string } | undefined> {
    const cert = await this.#attempt(`${path}.cert`, () => readText(certPath));
    const key = await this.#attempt(`${path}.key`, () => readText(keyPath));
    if (cert === undefined || key === undefined) return undefined;
    const material = { certPem: cert, keyPem: key, certLabel: certPath, keyLabel: keyPath, usage };
    const checked = await this.#attempt(path, () => checkServerMaterial(material, new Date()));
    if (checked === undefined) return undefined;
    for (const warning of checked.warnings) this.warnings.push(`${who}: ${warning}`);
    return { cert: checked.certPem, key: checked.keyPem };
  }

  async #ca(file: string | undefined, path: string): Promise<string | undefined> {
    if (file === undefined) return undefined;
    return await this.#attempt(path, async () => {
      const text = await readText(file);
      try {
        new TrustStore(text);
      } catch (cause) {
        throw new CulvertError("bad_certificate", `"${file}": ${describeError(cause)}`, { cause });
      }
      return text;
    });
  }

  /** Notes what goes wrong, and gives nothing then. */
  async #attempt<T>(path: string, work: () => T | Promise<T>): Promise<T | undefined> {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof CulvertError)) throw error;
      this.problems.push({
        kind: "bad_value",
        path,
        expected: "files that can be used",
        value: error.message,
      });
      return undefined;
    }
  }
}

/** CRLs fail closed: what can't be read lets nobody in. */
async function loadCrls(path: string): Promise<CrlSet> {
  try {
    return new CrlSet(parseCrls(await readBytes(path)));
  } catch (error) {
    return CrlSet.unreadable(`"${path}" can't be used: ${describeError(error)}`);
  }
}

async function readText(path: string): Promise<string> {
  return new TextDecoder().decode(await readBytes(path));
}

async function readBytes(path: string): Promise<Uint8Array> {
  try {
    return await Deno.readFile(path);
  } catch (cause) {
    const why = cause instanceof Deno.errors.NotFound ? "there is no such file" : describeError(cause);
    throw new CulvertError("unreadable_file", `Cannot read "${path}": ${why}`, { cause });
  }
}
