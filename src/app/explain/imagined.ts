import type { Path } from "../../config/problem/problem.ts";

/** One connection or request that is decided about without being made. */
export interface Imagined {
  /** The name of the service that it is made to. */
  readonly service: string;
  /** The IP address of the client. @default {"127.0.0.1"} */
  readonly from?: string | undefined;
  /** The IP address of the proxy that names the client in a PROXY header. @default the client connects by itself */
  readonly via?: string | undefined;
  /** The certificates that the client sends (DER, its own first). @default none */
  readonly chain?: readonly Uint8Array[] | undefined;
  /** The server name in the ClientHello. @default the host of the URL, if that is a name */
  readonly serverName?: string | undefined;
  /** The request; a service with `protocol: http` needs one. */
  readonly request?: { readonly method: string; readonly url: string } | undefined;
}

/** One decision. */
export interface Step {
  /** What is decided: `address`, `certificate`, `route` and so on. */
  readonly name: string;
  /** Whether the connection or request goes on. */
  readonly passed: boolean;
  /** The decision in words. */
  readonly text: string;
  /** The place in the configuration that has decided; absent: a default. */
  readonly path?: Path | undefined;
}

/** What becomes of a connection or request. */
export interface Outcome {
  /**
   * `accept`: a backend gets it. `redirect`, `respond`: the proxy answers it by itself. Else the reason that the access
   * log would have.
   */
  readonly verdict: string;
  /** The upstream that it goes to. */
  readonly upstream?: string | undefined;
  /** Path and query that the backend is asked for. */
  readonly target?: string | undefined;
  /** The status of an answer of the proxy itself. */
  readonly status?: number | undefined;
  /** Where a redirect leads. */
  readonly location?: string | undefined;
}

/** All decisions about a connection or request, in order, and what they lead to. */
export interface Explanation extends Outcome {
  readonly steps: readonly Step[];
}

/** Collects decisions in their order. */
export class Trace {
  readonly steps: Step[] = [];

  /** The connection or request goes on. */
  pass(name: string, text: string, path?: Path): void {
    this.steps.push({ name, passed: true, text, path });
  }

  /** It ends here. */
  refuse(name: string, text: string, path?: Path): void {
    this.steps.push({ name, passed: false, text, path });
  }
}
