/// <reference lib="dom" />
import type { FailureReport } from "../../../service/failures.ts";
import { OTHER_HELP, REASON_HELP } from "../../live/reason_help.ts";
import { byId, type Child, el, type Item, KeyedList, setText } from "./dom.ts";
import { formatTime, plural } from "./format.ts";

/** Failures of one service for one reason, the newest first. */
interface Group {
  readonly service: string;
  readonly reason: string;
  readonly failures: readonly FailureReport[];
}

/** Of a group. */
const MAX_LISTED = 20;

/** The connections and requests that were refused or failed, by service and reason. */
export class Failures {
  readonly #list: KeyedList<Group>;
  readonly #count = byId("failures-count");

  constructor(parent: HTMLElement) {
    const list = el("ul", { class: "failures" });
    parent.append(list);
    this.#list = new KeyedList(list, (group) => new GroupItem(group));
  }

  /** Shows these, the newest first. */
  update(failures: readonly FailureReport[]): void {
    const groups = Map.groupBy(failures, ({ service, reason }) => JSON.stringify([service, reason]));
    const values = [...groups.values()].map((failures) => ({ ...failures[0]!, failures }));
    this.#list.update(values, ({ service, reason }) => JSON.stringify([service, reason]));
    setText(this.#count, failures.length === 0 ? "None since the start." : `The last ${failures.length}.`);
  }
}

class GroupItem implements Item<Group> {
  readonly element: HTMLElement;
  readonly #summary = el("span", { class: "what" });
  readonly #error = el("p", { class: "error" });
  readonly #each = el("ul", { class: "each" });
  readonly #details: HTMLDetailsElement;
  #shownAt = 0;
  #group: Group | undefined;

  constructor({ service, reason }: Group) {
    const title = el("h3", {}, el("code", { class: "reason" }, reason), ` in ${service} `, this.#summary);
    const help = el("p", { class: "help" }, ...marked(helpOf(reason)));
    this.#details = el("details", {}, el("summary", {}, "The last ones"), this.#each);
    this.#details.addEventListener("toggle", () => this.#list());
    this.element = el("li", {}, title, this.#error, help, this.#details);
  }

  update(group: Group): void {
    const { failures } = group;
    const [latest] = failures as readonly [FailureReport];
    this.#group = group;
    setText(this.#summary, `${plural(failures.length, "time")}, last at ${formatTime(latest.at)}`);
    setText(this.#error, latest.error ?? "");
    this.#error.hidden = latest.error === undefined;
    if (latest.at !== this.#shownAt) this.#list();
    this.#shownAt = latest.at;
  }

  #list(): void {
    if (!this.#details.open) return;
    const { failures } = this.#group!;
    this.#each.replaceChildren(
      ...failures.slice(0, MAX_LISTED).map((failure) => el("li", {}, lineOf(failure))),
    );
    const rest = failures.length - MAX_LISTED;
    if (rest > 0) this.#each.append(el("li", {}, `and ${rest} more`));
  }
}

function helpOf(reason: string): string {
  return Object.hasOwn(REASON_HELP, reason) ? REASON_HELP[reason]! : OTHER_HELP;
}

/** A text whose parts in backticks are code. */
function marked(text: string): Child[] {
  return text.split("`").map((part, index) => index % 2 === 0 ? part : el("code", {}, part));
}

function lineOf({ at, client, identity, backend, request, error }: FailureReport): string {
  const parts = [
    `${formatTime(at)}  ${client}`,
    ...(identity === undefined ? [] : [identity]),
    ...(request === undefined ? [] : [`${request.method} ${request.path} ${request.status}`]),
    ...(backend === undefined ? [] : [`backend ${backend}`]),
    ...(error === undefined ? [] : [error]),
  ];
  return parts.join(" · ");
}
