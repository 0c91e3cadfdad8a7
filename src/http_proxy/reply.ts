import type { BodyReader } from "../http/body.ts";
import { fieldId } from "../http/known_fields.ts";
import { CHUNK_END_BYTES, frameChunk } from "../http/write_chunk.ts";
import type { BackendRequest } from "./backend_request.ts";
import type { BackendConnection } from "./connections.ts";
import { DropSet } from "./drop_set.ts";
import type { ExchangeState } from "./exchange_state.ts";
import { type Field, fieldValue } from "./header_rules.ts";
import { type ReplyFraming, writeFields, writeResponseHead } from "./message_heads.ts";
import { mapCookie, mapLocation, type MappingContext } from "./rewrite.ts";
import { lastChunk } from "./upload.ts";

const LOCATION = fieldId("location");
const CONTENT_LOCATION = fieldId("content-location");
const TRANSFER_ENCODING = fieldId("transfer-encoding");
const SET_COOKIE = fieldId("set-cookie");
const NO_BYTES: Uint8Array = new Uint8Array();
const OWN = new DropSet(["via", "x-request-id"]);

/**
 * Sends the answer of a backend to the client, from its head, which has been read, to its end. Most answers go out with
 * the first write, for which no promise is made here:
 *
 * ```ts ignore
 * reply.sent(await session.send(reply.begin()));
 * if (!reply.isOver) await reply.finish();
 * ```
 */
export class Reply {
  readonly #exchange: ExchangeState;
  readonly #request: BackendRequest;
  readonly #connection: BackendConnection;
  readonly #framing: ReplyFraming;
  /** What {@linkcode Reply.begin} has returned, as far as it has not been sent. */
  #rest = NO_BYTES;
  /** The body that came with the head is still to be sent, as a chunk. */
  #hasChunk = false;

  constructor(exchange: ExchangeState, request: BackendRequest) {
    this.#exchange = exchange;
    this.#request = request;
    this.#connection = request.connection;
    this.#framing = framingOf(exchange.messages);
  }

  /** Returns what is sent first: the head, and what is there of the body. */
  begin(): Uint8Array {
    const exchange = this.#exchange;
    const { request, response, responseBody: body } = exchange.messages;
    // HTTP/1.0 does not have it, not even in a response without a body (RFC 9112 section 6.1).
    if (request.minor === 0) response.fields.dropAll(TRANSFER_ENCODING);
    this.#decideKeep();
    const head = this.#writeHead();
    // What is wrong with the first bytes of the body can still be told.
    body.read(this.#connection.source.input);
    exchange.answering = true;
    exchange.status = response.status;
    this.#hasChunk = this.#framing === "chunked" && !body.done;
    if (!body.done && this.#request.isSent) exchange.session.expectEnd();
    return this.#rest = this.#hasChunk ? head.slice() : this.#first(head, body);
  }

  /** So many of the first bytes have been sent. */
  sent(count: number): void {
    const exchange = this.#exchange;
    const { responseBody: body } = exchange.messages;
    exchange.session.bytesDown += count;
    this.#rest = count === this.#rest.length ? NO_BYTES : this.#rest.subarray(count);
    if (!this.#hasChunk) exchange.bytesDown += body.passEnd - body.passStart;
    exchange.touch();
  }

  /** Whether nothing is left to be sent. */
  get isOver(): boolean {
    const { responseBody: body } = this.#exchange.messages;
    return body.done && this.#rest.length === 0 && !this.#needsLastChunk;
  }

  /** Sends what is left. Resolves when the client has been sent all of it. */
  async finish(): Promise<void> {
    const { session, messages: { responseBody: body } } = this.#exchange;
    const { source } = this.#connection;
    if (this.#request.isSent) session.endMeansLeaving();
    if (this.#rest.length > 0) await session.write(this.#rest);
    if (this.#hasChunk) await this.#pass(body);
    while (!body.done) {
      if (!await source.fill()) {
        this.#checkEnd(body);
        break;
      }
      this.#exchange.touch();
      body.read(source.input);
      await this.#pass(body);
    }
    if (this.#needsLastChunk) await session.write(lastChunk(body));
  }

  get #needsLastChunk(): boolean {
    const { responseBody: body } = this.#exchange.messages;
    return body.needsEnd || (this.#framing === "chunked" && body.done);
  }

  #decideKeep(): void {
    const exchange = this.#exchange;
    const { session, plan, messages } = exchange;
    const wants = messages.request.keepAlive && this.#framing !== "until-close";
    exchange.lingers = wants || !this.#request.isSent;
    exchange.keep = wants && this.#request.isSent && !session.isClosing(plan);
  }

  #writeHead(): Uint8Array {
    const { session, messages: { request, response }, keep, route, plan } = this.#exchange;
    const head = session.scratch;
    const fields = this.#hasMappedFields ? this.#mappedFields() : [];
    const { responseRules } = route!;
    if (responseRules !== undefined) responseRules.drop.apply(response.fields);
    const connection = !keep ? "close" : request.minor === 0 ? "keep-1.0" : "keep";
    head.begin();
    this.#addOwn(fields, plan.options);
    writeResponseHead(head, { response, connection, framing: this.#framing });
    writeFields(head, fields);
    if (responseRules !== undefined) writeFields(head, responseRules.rules.fields(this.#exchange.values()));
    head.endLine();
    return head.written;
  }

  /** Via and X-Request-Id, where they are asked for. */
  #addOwn(fields: Field[], { requestId }: { requestId: boolean }): void {
    const { messages: { response }, plan } = this.#exchange;
    const via = plan.forwarding.via(`1.${response.minor}`, response.fields.joined("via"));
    if (via === undefined && !requestId) return;
    OWN.apply(response.fields);
    if (via !== undefined) fields.push(["Via", via]);
    if (requestId) fields.push(["X-Request-Id", this.#exchange.requestId]);
  }

  /** Whether there may be fields with the backend's own host. */
  get #hasMappedFields(): boolean {
    const { messages: { response: { fields } }, route } = this.#exchange;
    return fields.indexOf(LOCATION) !== -1 || fields.indexOf(CONTENT_LOCATION) !== -1 ||
      route!.route.rewriteCookies === true;
  }

  /** Fields with the backend's own host, as the client has to see them. The originals are not passed on. */
  #mappedFields(): Field[] {
    const { messages: { response: { fields } }, route } = this.#exchange;
    const mapped: Field[] = [];
    const map = (
      id: number,
      name: string,
      change: (value: string, context: MappingContext) => string | undefined,
    ) => {
      for (let i = fields.indexOf(id); i !== -1; i = fields.indexOf(id, i + 1)) {
        const value = change(fields.value(i), this.#mappingContext());
        if (value === undefined) continue;
        fields.drop(i);
        mapped.push([name, value]);
      }
    };
    const mapUrl = (value: string, context: MappingContext) => this.#mapLocation(value, context);
    if (fields.indexOf(LOCATION) !== -1) map(LOCATION, "Location", mapUrl);
    if (fields.indexOf(CONTENT_LOCATION) !== -1) map(CONTENT_LOCATION, "Content-Location", mapUrl);
    if (route!.route.rewriteCookies === true) map(SET_COOKIE, "Set-Cookie", mapCookie);
    return mapped;
  }

  #mapLocation(value: string, context: MappingContext): string | undefined {
    const { rewriter, host } = this.#request;
    if (rewriter === undefined) return mapLocation(value, context);
    const mapped = rewriter.toClient(value, { client: this.#exchange.clientUrl, host });
    // A rewriter of the program's own may return anything.
    return mapped === value ? undefined : fieldValue(mapped);
  }

  #mappingContext(): MappingContext {
    const { route, origin, backend } = this.#exchange;
    const scheme = this.#request.scheme;
    return {
      route: route!.route,
      client: { scheme: origin!.scheme, authority: origin!.host },
      backend: { scheme, authority: backend!.key },
      host: this.#request.host,
    };
  }

  /** The head and what has come of the body, to go out in one write. */
  #first(head: Uint8Array, { passStart, passEnd }: BodyReader): Uint8Array {
    const { source } = this.#connection;
    const { bytes } = source.input;
    const at = passStart - head.length;
    if (at >= 0) {
      // Where the backend's head was, in front of the body, of which nothing is moved.
      bytes.set(head, at);
      return source.view(at, passEnd);
    }
    const both = new Uint8Array(head.length + passEnd - passStart);
    both.set(head);
    both.set(bytes.subarray(passStart, passEnd), head.length);
    return both;
  }

  /** Sends what came of the body. */
  async #pass({ passStart: start, passEnd: end }: BodyReader): Promise<void> {
    if (start === end) return;
    const exchange = this.#exchange;
    const { bytes } = this.#connection.source.input;
    const isChunk = this.#framing === "chunked";
    await exchange.session.write(isChunk ? asChunk(bytes, { start, end }) : bytes.subarray(start, end));
    exchange.bytesDown += end - start;
    exchange.touch();
  }

  /** The connection has ended. Throws where the body has been cut short. */
  #checkEnd(body: BodyReader): void {
    const { source } = this.#connection;
    this.#exchange.throwStop();
    if (source.error !== undefined || !body.end()) throw this.#request.endOf(source.error);
  }
}

/** How the end of the body is marked for the client. */
function framingOf({ request, response: { bodyKind } }: ExchangeState["messages"]): ReplyFraming {
  if (request.minor === 1) return bodyKind === "until-close" ? "chunked" : "same";
  return bodyKind === "chunked" || bodyKind === "until-close" ? "until-close" : "same";
}

const CHUNK_ROOM = 16;

/** The bytes from `start` to before `end` as a chunk: in their place, if there is room. */
function asChunk(bytes: Uint8Array, { start, end }: { start: number; end: number }): Uint8Array {
  if (end + CHUNK_END_BYTES > bytes.length) return copyAsChunk(bytes.subarray(start, end));
  return bytes.subarray(frameChunk(bytes, { start, end }), end + CHUNK_END_BYTES);
}

function copyAsChunk(data: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(CHUNK_ROOM + data.length + CHUNK_END_BYTES);
  bytes.set(data, CHUNK_ROOM);
  return bytes.subarray(frameChunk(bytes, { start: CHUNK_ROOM, end: CHUNK_ROOM + data.length }));
}
