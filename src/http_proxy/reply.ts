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
const OWN = new DropSet(["via", "x-request-id"]);

/** Sends the answer of a backend to the client, from its head, which has been read, to its end. */
export class Reply {
  readonly #exchange: ExchangeState;
  readonly #request: BackendRequest;
  readonly #connection: BackendConnection;

  constructor(exchange: ExchangeState, request: BackendRequest) {
    this.#exchange = exchange;
    this.#request = request;
    this.#connection = request.connection;
  }

  /** Resolves when the client has been sent all of it. */
  async run(): Promise<void> {
    const exchange = this.#exchange;
    const { request, response, responseBody: body } = exchange.messages;
    const { input } = this.#connection.source;
    // HTTP/1.0 does not have it, not even in a response without a body (RFC 9112 section 6.1).
    if (request.minor === 0) response.fields.dropAll(TRANSFER_ENCODING);
    const framing = this.#framing();
    this.#decideKeep(framing);
    const head = this.#writeHead(framing);
    // What is wrong with the first bytes of the body can still be told.
    body.read(input);
    exchange.answering = true;
    exchange.status = response.status;
    if (framing === "chunked" && !body.done) {
      await exchange.session.write(head.slice());
      await this.#sendAsChunk(body);
    } else {
      const first = this.#first(head, body);
      await exchange.session.write(first);
      exchange.bytesDown += body.passEnd - body.passStart;
      exchange.touch();
    }
    while (!body.done) {
      if (!await this.#fill(body)) break;
      body.read(input);
      if (framing === "chunked") await this.#sendAsChunk(body);
      else await this.#send(input.bytes.subarray(body.passStart, body.passEnd));
    }
    if (body.needsEnd || (framing === "chunked" && body.done)) await exchange.session.write(lastChunk(body));
  }

  /** How the client is told the end of the body. */
  #framing(): ReplyFraming {
    const { request, response } = this.#exchange.messages;
    const { bodyKind } = response;
    if (request.minor === 1) return bodyKind === "until-close" ? "chunked" : "same";
    return bodyKind === "chunked" || bodyKind === "until-close" ? "until-close" : "same";
  }

  #decideKeep(framing: ReplyFraming): void {
    const exchange = this.#exchange;
    const { session, plan, messages } = exchange;
    const wants = messages.request.keepAlive && framing !== "until-close";
    exchange.lingers = wants || !this.#request.isSent;
    exchange.keep = wants && this.#request.isSent && !session.isClosing(plan);
  }

  #writeHead(framing: ReplyFraming): Uint8Array {
    const { session, messages: { request, response }, keep, route, plan } = this.#exchange;
    const head = session.scratch;
    const fields = this.#mappedFields();
    const { responseRules } = route!;
    if (responseRules !== undefined) responseRules.drop.apply(response.fields);
    const connection = !keep ? "close" : request.minor === 0 ? "keep-1.0" : "keep";
    head.begin();
    this.#addOwn(fields, plan.options);
    writeResponseHead(head, { response, connection, framing });
    writeFields(head, fields);
    if (responseRules !== undefined) writeFields(head, responseRules.rules.fields(this.#exchange.values()));
    head.endLine();
    return head.bytes.subarray(0, head.length);
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
    const mapUrl = this.#mapLocation;
    if (fields.indexOf(LOCATION) !== -1) map(LOCATION, "Location", mapUrl);
    if (fields.indexOf(CONTENT_LOCATION) !== -1) map(CONTENT_LOCATION, "Content-Location", mapUrl);
    if (route!.route.rewriteCookies === true) map(SET_COOKIE, "Set-Cookie", mapCookie);
    return mapped;
  }

  readonly #mapLocation = (value: string, context: MappingContext): string | undefined => {
    const { rewriter, host } = this.#request;
    if (rewriter === undefined) return mapLocation(value, context);
    const mapped = rewriter.toClient(value, { client: this.#exchange.clientUrl, host });
    // A rewriter of the program's own may return anything.
    return mapped === value ? undefined : fieldValue(mapped);
  };

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
    const { bytes } = this.#connection.source.input;
    const at = passStart - head.length;
    if (at >= 0) {
      // Where the backend's head was, in front of the body, of which nothing is moved.
      bytes.set(head, at);
      return bytes.subarray(at, passEnd);
    }
    const both = new Uint8Array(head.length + passEnd - passStart);
    both.set(head);
    both.set(bytes.subarray(passStart, passEnd), head.length);
    return both;
  }

  async #send(bytes: Uint8Array): Promise<void> {
    if (bytes.length === 0) return;
    const exchange = this.#exchange;
    await exchange.session.write(bytes);
    exchange.bytesDown += bytes.length;
    exchange.touch();
  }

  /** Sends what came of a body without an announced end as a chunk. */
  async #sendAsChunk({ passStart: start, passEnd: end }: BodyReader): Promise<void> {
    if (start === end) return;
    const { bytes } = this.#connection.source.input;
    if (end + CHUNK_END_BYTES <= bytes.length) {
      await this.#exchange.session.write(
        bytes.subarray(frameChunk(bytes, { start, end }), end + CHUNK_END_BYTES),
      );
    } else await this.#exchange.session.write(copyAsChunk(bytes.subarray(start, end)));
    this.#exchange.bytesDown += end - start;
    this.#exchange.touch();
  }

  /** Reads on; whether there is more. Throws where the body has been cut short. */
  async #fill(body: BodyReader): Promise<boolean> {
    const { source } = this.#connection;
    if (await source.fill()) {
      this.#exchange.touch();
      return true;
    }
    this.#exchange.throwStop();
    if (source.error === undefined && body.end()) return false;
    throw this.#request.endOf(source.error);
  }
}

const CHUNK_ROOM = 16;

function copyAsChunk(data: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(CHUNK_ROOM + data.length + CHUNK_END_BYTES);
  bytes.set(data, CHUNK_ROOM);
  return bytes.subarray(frameChunk(bytes, { start: CHUNK_ROOM, end: CHUNK_ROOM + data.length }));
}
