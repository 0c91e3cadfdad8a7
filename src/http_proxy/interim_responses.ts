import type { ExchangeState } from "./exchange_state.ts";
import { writeInterimHead } from "./message_heads.ts";
import { clientLeft, tooManyInterim } from "./proxy_error.ts";

/** Interim responses to one request. */
const MAX_INTERIM = 32;

/** Passes the interim responses to a request on to its client, if that speaks HTTP/1.1. */
export class InterimResponses {
  readonly #exchange: ExchangeState;
  #count = 0;

  constructor(exchange: ExchangeState) {
    this.#exchange = exchange;
  }

  /** Passes on the one that has been read, and expects the next response. */
  async pass(): Promise<void> {
    const exchange = this.#exchange;
    const { session, messages: { request, response }, method } = exchange;
    if (++this.#count > MAX_INTERIM) throw tooManyInterim(MAX_INTERIM);
    exchange.firstByteMs ??= exchange.elapsedMs();
    exchange.touch();
    if (request.minor === 1) {
      const head = session.scratch;
      head.begin();
      writeInterimHead(head, response);
      try {
        await session.write(head.bytes.slice(0, head.length));
      } catch (error) {
        throw clientLeft(error);
      }
    }
    response.begin(method, request.upgrade);
  }
}
