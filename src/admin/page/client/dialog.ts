/// <reference lib="dom" />
import { type Answer } from "./api.ts";
import { byId, type Child, el } from "./dom.ts";

/** One thing that can be done in a dialog. */
export interface Action {
  readonly label: string;
  /** What happens then, for the question that is asked first. */
  readonly consequence: () => string;
  readonly run: () => Promise<Answer>;
  /** Whether it breaks connections. @default {false} */
  readonly danger?: boolean;
  /** An input that belongs to it. */
  readonly input?: HTMLElement;
  /** What is wrong with the input; empty: nothing. */
  readonly fault?: () => string;
}

/** What a dialog shows. */
export interface DialogContent {
  readonly title: string;
  readonly body?: readonly Child[];
  readonly actions: readonly Action[];
}

/** Shows a dialog with things that can be done. Each asks for confirmation and shows what the server answers. */
export function openDialog({ title, body = [], actions }: DialogContent): void {
  const dialog = byId<HTMLDialogElement>("dialog");
  const close = el("button", { type: "button" }, "Close");
  close.addEventListener("click", () => dialog.close());
  const list = el("div", { class: "actions" });
  for (const action of actions) {
    const button = el("button", { type: "button", class: action.danger && "danger" }, `${action.label}…`);
    button.addEventListener("click", () => confirm(title, action));
    list.append(el("div", { class: "action" }, action.input, button));
  }
  show(title, [...body, list, el("div", { class: "buttons" }, close)]);
  if (!dialog.open) dialog.showModal();
}

/** Asks for confirmation of one thing, does it, and shows what the server answers. */
export function confirm(title: string, action: Action): void {
  const dialog = byId<HTMLDialogElement>("dialog");
  const fault = action.fault?.() ?? "";
  if (fault !== "") return answer(title, { ok: false, text: fault });
  const yes = el("button", { type: "button", class: action.danger ? "danger" : "primary" }, action.label);
  const no = el("button", { type: "button" }, "Cancel");
  no.addEventListener("click", () => dialog.close());
  yes.addEventListener("click", async () => {
    yes.disabled = no.disabled = true;
    yes.textContent = "Waiting for the answer";
    answer(title, await action.run());
  });
  show(title, [el("p", {}, action.consequence()), el("div", { class: "buttons" }, no, yes)]);
  if (!dialog.open) dialog.showModal();
  no.focus();
}

function answer(title: string, { ok, text }: Answer): void {
  const dialog = byId<HTMLDialogElement>("dialog");
  const close = el("button", { type: "button" }, "Close");
  close.addEventListener("click", () => dialog.close());
  const heading = el("strong", {}, ok ? "Done" : "Not done");
  const message = el("p", { class: `answer ${ok ? "good" : "bad"}`, role: "alert" }, heading, ` ${text}`);
  show(title, [message, el("div", { class: "buttons" }, close)]);
  if (!dialog.open) dialog.showModal();
  close.focus();
}

function show(title: string, children: readonly Child[]): void {
  const nodes = children.filter((child) => child !== undefined && child !== false);
  byId("dialog").replaceChildren(el("h2", { id: "dialog-title" }, title), ...nodes);
}
