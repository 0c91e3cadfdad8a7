import type { Issued } from "../../src/tls/authority/options.ts";
import type { Pki } from "../tls/tls_fixture.ts";
import { exchange } from "./peers.ts";
import type { Culvert } from "./program.ts";

/** Whether a client gets to the backend, which echoes, of a service with mutual TLS: with its certificate, or another. */
export async function enters(
  culvert: Culvert,
  { ca, client }: Pki,
  { service = "main", own = client }: { service?: string; own?: Issued } = {},
): Promise<boolean> {
  try {
    using connection = await Deno.connectTls({
      hostname: "127.0.0.1",
      port: culvert.port(service),
      caCerts: [ca.certPem],
      cert: own.chainPem,
      key: own.keyPem,
    });
    return await exchange(connection, "ping") === "ping";
  } catch {
    return false;
  }
}
