import type { HeadWriter } from "../http/head_writer.ts";
import type { ClientHandshake } from "../service/client_handshake.ts";
import type { DropSet } from "./drop_set.ts";
import type { ClientConnection, ClientFacts, RequestOrigin } from "./forwarded.ts";
import type { Field } from "./header_rules.ts";
import { writeFields } from "./message_heads.ts";
import type { HttpPlan } from "./plan.ts";

const NO_BYTES: Uint8Array = new Uint8Array();

/** What is known of a client, as the plan of the moment tells it. Most of it is the same for each of its requests. */
export class ClientView {
  /** For the balancers that look at the client's address. */
  readonly pickOptions: { readonly source: string };
  readonly #connection: ClientConnection;
  #plan: HttpPlan;
  #facts!: ClientFacts;
  #drop!: DropSet;
  #origin: RequestOrigin | undefined;
  #fields: readonly Field[] | undefined;
  #bytes = NO_BYTES;

  constructor(client: ClientHandshake, plan: HttpPlan) {
    const { address, destination, localAddr, tls, identity, encrypted } = client;
    const certificate = tls?.peer === undefined ? undefined : tls.session.peer?.chain[0];
    this.#connection = {
      peer: address,
      localPort: destination?.port ?? (localAddr !== undefined && "port" in localAddr ? localAddr.port : 0),
      isTls: encrypted || tls !== undefined,
      ...(tls?.peer === undefined || identity === undefined ? {} : { identity }),
      ...(certificate === undefined ? {} : { certificate }),
    };
    this.pickOptions = { source: address.ip };
    this.#plan = plan;
    this.#look(plan);
  }

  /** Its facts for the fields that tell backends of it. */
  facts(plan: HttpPlan): ClientFacts {
    if (plan !== this.#plan) this.#look(plan);
    return this.#facts;
  }

  /** What of its requests is not passed on. */
  dropSet(plan: HttpPlan): DropSet {
    if (plan !== this.#plan) this.#look(plan);
    return this.#drop;
  }

  /** Where a request of a client that is not trusted comes from. */
  origin(plan: HttpPlan, authority: string): RequestOrigin {
    if (plan !== this.#plan || this.#origin?.host !== authority) {
      this.#origin = plan.forwarding.origin(this.facts(plan), authority);
    }
    return this.#origin!;
  }

  /** Appends the fields that tell backends of it. */
  write(head: HeadWriter, fields: readonly Field[]): void {
    if (fields === this.#fields) return head.raw(this.#bytes);
    const { length } = head;
    writeFields(head, fields);
    this.#fields = fields;
    this.#bytes = head.bytes.slice(length, head.length);
  }

  #look(plan: HttpPlan): void {
    this.#plan = plan;
    this.#facts = plan.forwarding.facts(this.#connection);
    this.#drop = plan.dropSet(this.#facts);
    this.#origin = undefined;
  }
}
