import { describeError } from "../core/errors.ts";
import type { AccessRecord } from "./access_log.ts";
import type { ExchangeState } from "./exchange_state.ts";

/** What is recorded of an exchange that is over. */
export function accessRecord(
  exchange: ExchangeState,
  { service, durationMs }: { service: string; durationMs: number },
): AccessRecord {
  const { session: { client, view }, messages: { request }, plan, failure } = exchange;
  return {
    time: exchange.time,
    service,
    listener: client.listener,
    client: exchange.origin?.clientIp ?? client.address.ip,
    identity: view.facts(plan).identity,
    requestId: exchange.knownRequestId,
    method: exchange.method,
    host: exchange.host,
    path: exchange.path,
    query: exchange.query,
    version: exchange.method === "" ? "" : `1.${request.minor}`,
    status: exchange.status,
    bytesUp: exchange.bytesUp,
    bytesDown: exchange.bytesDown,
    headMs: exchange.headMs,
    connectMs: exchange.connectMs,
    firstByteMs: exchange.firstByteMs,
    totalMs: durationMs,
    backend: exchange.backend?.key,
    tries: exchange.attempt,
    reason: exchange.reason,
    error: failure === undefined ? undefined : describeError(failure),
    referer: exchange.referer,
    userAgent: exchange.userAgent,
  };
}
