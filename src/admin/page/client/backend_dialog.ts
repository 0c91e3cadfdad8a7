/// <reference lib="dom" />
import type { BackendView } from "../../live/live_view.ts";
import { backendPath, order } from "./api.ts";
import { type Action, openDialog } from "./dialog.ts";
import { el } from "./dom.ts";
import { formatDuration, plural } from "./format.ts";
import { stateMark } from "./states.ts";

const MAX_WEIGHT = 65_535;

/** What the dialog of a backend shows. */
export interface BackendDialogOptions {
  readonly upstream: string;
  readonly address: string;
  readonly view: BackendView;
  readonly canWrite: boolean;
}

/** Shows a backend, and what can be done with it. */
export function openBackend({ upstream, address, view, canWrite }: BackendDialogOptions): void {
  const { state, why, since, weight, effectiveWeight, active, total, failures, maxConnections, backup } =
    view;
  const age = formatDuration((Date.now() - Date.parse(since)) / 1000);
  const facts: readonly (readonly [string, string | Node])[] = [
    ["State", el("span", {}, stateMark(state), `${state} for ${age}`)],
    ...(why === undefined ? [] : [["Why", why] as const]),
    [
      "Weight",
      effectiveWeight === weight || state !== "up"
        ? String(weight)
        : `${weight}, now ${effectiveWeight.toFixed(1)}`,
    ],
    ["Open", maxConnections === 0 ? String(active) : `${active} of at most ${maxConnections}`],
    ["Assigned", plural(total, "connection")],
    ["Failed", plural(failures, "attempt")],
    ...(backup ? [["Role", "backup"] as const] : []),
  ];
  const list = el("dl", {}, ...facts.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]));
  const actions = canWrite ? actionsOf({ upstream, address, view }) : [];
  openDialog({ title: `${address} of ${upstream}`, body: [list], actions });
}

function actionsOf({ upstream, address, view }: Omit<BackendDialogOptions, "canWrite">): Action[] {
  const path = backendPath(upstream, address);
  const { state, weight, active } = view;
  const input = el("input", { type: "number", min: 0, max: MAX_WEIGHT, step: 1, value: weight });
  const wanted = () => Number(input.value);
  const isGood = () =>
    input.value !== "" && Number.isInteger(wanted()) && wanted() >= 0 && wanted() <= MAX_WEIGHT;
  const enable: Action = {
    label: "Enable",
    consequence: () => `${address} gets new connections again.`,
    run: () => order({ method: "POST", path: `${path}/enable` }),
  };
  const drain: Action = {
    label: "Drain",
    consequence: () => `${address} gets no new connections. Open ones go on (${active}).`,
    run: () => order({ method: "POST", path: `${path}/drain` }),
  };
  return [
    // A backend of weight 0 is drained, too, and would stay so.
    state === "drained" && weight > 0 ? enable : drain,
    {
      label: "Set weight",
      input: el("label", { class: "field" }, "Weight ", input),
      fault: () => isGood() ? "" : `The weight must be a whole number from 0 to ${MAX_WEIGHT}.`,
      consequence: () =>
        `${address} gets the weight ${wanted()}, until the configuration or discovery gives it another one.`,
      run: () => order({ method: "PUT", path: `${path}/weight`, body: { weight: wanted() } }),
    },
    {
      label: "Close connections",
      danger: true,
      consequence: () => `The open connections of ${address} (${active}) are cut now.`,
      run: () => order({ method: "POST", path: `${path}/close` }),
    },
  ];
}
