import type { ConfigReading } from "../../config/reading.ts";
import type { Config } from "../../config/config.ts";
import type { Path } from "../../config/problem/problem.ts";
import { CulvertError, describeError } from "../../core/errors.ts";
import { faultOfServerName } from "../../net/client_hello/server_name.ts";
import { HttpService } from "../../http_proxy/http_service.ts";
import { unconnected } from "../../http_proxy/proxy_error.ts";
import { badServerName } from "../../service/preread.ts";
import { ConnectionEnded, reasonOf } from "../../service/reason.ts";
import { TcpService } from "../../tcp/service.ts";
import type { Upstream } from "../../upstream/upstream.ts";
import type { Credentials } from "../credentials/credentials.ts";
import { buildSnapshot } from "../control/build_snapshot.ts";
import { explainAdmission, type ServicePlace } from "./explain_admission.ts";
import { explainBackends } from "./explain_backends.ts";
import { type CertificateVerdict, explainCertificate } from "./explain_certificate.ts";
import { explainName } from "./explain_name.ts";
import { explainRequest } from "./explain_request.ts";
import { ImaginaryPlane } from "./imaginary_plane.ts";
import { type Explanation, type Imagined, type Outcome, Trace } from "./imagined.ts";

/** Where a client connects from unless that is said. */
const DEFAULT_FROM = "127.0.0.1";

/**
 * Decides about connections and requests by the services and upstreams that the data plane would have, and tells every
 * step. No socket is opened. Limits, rates and checks are those of a proxy that has just started.
 */
export class Explainer implements AsyncDisposable {
  readonly #reading: ConfigReading;
  readonly #config: Config;
  readonly #plane: ImaginaryPlane;

  private constructor(reading: ConfigReading, parts: { config: Config; plane: ImaginaryPlane }) {
    this.#reading = reading;
    this.#config = parts.config;
    this.#plane = parts.plane;
  }

  /** For a good configuration with its credentials. */
  static async create(reading: ConfigReading, credentials: Credentials): Promise<Explainer> {
    const config = reading.config!;
    const plane = await ImaginaryPlane.create(buildSnapshot(config, { credentials, sets: new Map() }));
    return new Explainer(reading, { config, plane });
  }

  /** @throws {CulvertError} `bad_usage` if the service can't get such a connection or request. */
  async explain(imagined: Imagined): Promise<Explanation> {
    const trace = new Trace();
    const outcome = await this.#decide(imagined, trace);
    return { ...outcome, steps: trace.steps };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#plane[Symbol.asyncDispose]();
  }

  async #decide(imagined: Imagined, trace: Trace): Promise<Outcome> {
    const index = this.#config.services.findIndex(({ name }) => name === imagined.service);
    const hosted = this.#plane.service(imagined.service);
    if (index === -1 || hosted === undefined) throw unknownService(imagined.service, this.#config);
    const place: ServicePlace = { config: this.#config.services[index]!, path: ["services", index] };
    checkImagined(imagined, place);
    const { service } = hosted;
    const { from = DEFAULT_FROM, via, chain = [] } = imagined;
    const refusal = explainAdmission(service, { from, via }, { place, trace });
    if (refusal !== undefined) return { verdict: refusal };
    const { gate } = service.policy;
    const certificate = gate === undefined ? {} : explainCertificate(gate, chain, { place, trace });
    if (certificate.refusal !== undefined) return { verdict: certificate.refusal };
    if (service instanceof HttpService) {
      return await this.#decideRequest(service, { imagined, certificate, place, trace });
    }
    return await this.#decideConnection(service as TcpService, { imagined, place, trace });
  }

  async #decideConnection(
    service: TcpService,
    { imagined, place, trace }: { imagined: Imagined; place: ServicePlace; trace: Trace },
  ): Promise<Outcome> {
    const { serverName: name, from = DEFAULT_FROM } = imagined;
    const fault = name === undefined ? undefined : faultOfServerName(name);
    const serverName = fault === undefined ? name : undefined;
    let upstream: Upstream;
    try {
      const serverNameError = fault === undefined ? undefined : badServerName(fault);
      upstream = service.selectUpstream({ serverName, serverNameError });
    } catch (error) {
      if (!(error instanceof ConnectionEnded)) throw error;
      trace.refuse("server name", describeError(error.cause), [...place.path, "sni"]);
      return { verdict: error.reason };
    }
    explainName(serverName, { upstream: upstream.name, place, trace });
    const failure = await this.#backends(upstream, { place, source: from, trace });
    if (failure !== undefined) return { verdict: reasonOf(failure), upstream: upstream.name };
    return { verdict: "accept", upstream: upstream.name };
  }

  async #decideRequest(
    service: HttpService,
    { imagined, certificate, place, trace }: {
      imagined: Imagined;
      certificate: CertificateVerdict;
      place: ServicePlace;
      trace: Trace;
    },
  ): Promise<Outcome> {
    const { from = DEFAULT_FROM, request } = imagined;
    const isTls = place.config.tls !== undefined;
    const { identity } = certificate;
    const decision = explainRequest(service, { ...request!, from, isTls, identity }, { place, trace });
    if ("outcome" in decision) return decision.outcome;
    const { route: { retries }, target, upstream: name } = decision.route;
    const upstream = this.#plane.upstream(name)!;
    const attempts = retries.on.includes("connect") ? retries.attempts : 0;
    const failure = await this.#backends(upstream, { place, source: from, retries: attempts, trace });
    const outcome = { upstream: name, target };
    if (failure === undefined) return { verdict: "accept", ...outcome };
    const { code, status } = unconnected(failure);
    return { verdict: code, status, ...outcome };
  }

  async #backends(
    upstream: Upstream,
    { place, retries = upstream.options.retries, ...options }: {
      place: ServicePlace;
      source: string;
      retries?: number;
      trace: Trace;
    },
  ): Promise<Error | undefined> {
    const named = ["upstreams", upstream.name];
    const path: Path = this.#reading.has(named) ? named : [...place.path, "upstream"];
    const config = this.#config.upstreams.get(upstream.name)!;
    return await explainBackends(upstream, { ...options, config, path, retries });
  }
}

/** Refuses what the service could never see. */
function checkImagined({ service, via, chain, request }: Imagined, { config }: ServicePlace): void {
  const { trusted, http, tls } = config;
  const wrong = (what: string) =>
    new CulvertError("bad_usage", `Cannot explain service "${service}": ${what}`);
  if (via !== undefined && trusted === undefined) {
    throw wrong("it reads no PROXY header, so no proxy can name the client (via)");
  }
  if (chain !== undefined && tls === undefined) throw wrong("it has no tls, so it gets no certificate");
  if (http === undefined && request !== undefined) throw wrong("it has protocol: tcp, so it gets no request");
  if (http === undefined) return;
  if (request === undefined) throw wrong("it has protocol: http; a method and a URL are needed");
  const scheme = tls === undefined ? "http" : "https";
  if (request.url.toLowerCase().startsWith(`${scheme}://`)) return;
  throw wrong(`expected a URL that begins with ${scheme}://, got ${JSON.stringify(request.url)}`);
}

function unknownService(name: string, { services }: Config): CulvertError {
  const names = services.map((service) => service.name).join(", ");
  return new CulvertError("bad_usage", `Cannot explain service "${name}": the services are ${names}`);
}
