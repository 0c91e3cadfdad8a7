import { Tunnel, type TunnelEnd } from "../net/tunnel.ts";
import type { BackendRequest } from "./backend_request.ts";
import type { ExchangeState } from "./exchange_state.ts";
import type { HttpReason } from "./http_reason.ts";
import { writeFields, writeResponseHead } from "./message_heads.ts";
import { SourceConnection } from "./source_connection.ts";

/**
 * Passes on 101, and carries the other protocol until one side ends it. Bytes that came early on either side go first.
 * Both connections have ended then.
 */
export async function tunnelUpgrade(exchange: ExchangeState, request: BackendRequest): Promise<void> {
  const { session, plan: { timeouts }, messages: { response }, route } = exchange;
  const head = session.scratch;
  const { responseRules } = route!;
  responseRules?.drop.apply(response.fields);
  head.begin();
  writeResponseHead(head, { response, connection: "tunnel", framing: "same" });
  if (responseRules !== undefined) writeFields(head, responseRules.rules.fields(exchange.values()));
  head.endLine();
  exchange.status = response.status;
  exchange.answering = true;
  await session.write(head.bytes.slice(0, head.length));
  const { source } = request.connection;
  const tunnel = new Tunnel<HttpReason>(
    new SourceConnection(session.source, { releases: true }),
    new SourceConnection(source, { releases: true }),
    {
      wheel: session.wheel,
      buffers: session.buffers,
      idleMs: timeouts.idleMs,
      halfCloseMs: timeouts.halfCloseMs,
    },
  );
  request.becomeTunnel(tunnel);
  const end = await tunnel.run();
  exchange.bytesUp += tunnel.bytesUp;
  exchange.bytesDown += tunnel.bytesDown;
  exchange.reason = isOrderly(end) ? "upgraded" : end;
}

function isOrderly(end: TunnelEnd | HttpReason): end is "client-closed" | "backend-closed" {
  return end === "client-closed" || end === "backend-closed";
}
