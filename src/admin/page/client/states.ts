/// <reference lib="dom" />
import type { BackendView } from "../../live/live_view.ts";
import { svg } from "./dom.ts";

/** The states of backends, those that need attention first. */
export const STATES = ["down", "ejected", "unknown", "drained", "up"] as const;
/** One of {@linkcode STATES}. */
export type State = BackendView["state"];

/** Each state has a shape of its own, so that it can be told without colours. */
const SHAPES: Readonly<Record<State, string>> = {
  up: "M5 1a4 4 0 1 1 0 8a4 4 0 0 1 0-8z",
  down: "M2.2 1L5 3.8L7.8 1L9 2.2L6.2 5L9 7.8L7.8 9L5 6.2L2.2 9L1 7.8L3.8 5L1 2.2z",
  ejected: "M5 .6L9.6 9H.4z",
  unknown: "M5 1a4 4 0 1 1 0 8a4 4 0 0 1 0-8zm0 1.6a2.4 2.4 0 1 0 0 4.8a2.4 2.4 0 0 0 0-4.8z",
  drained: "M1.5 1h2.6v8h-2.6zM5.9 1h2.6v8h-2.6z",
};

/** The shape of a state. What it means stands beside it as text. */
export function stateMark(state: State): SVGElement {
  return svg(
    "svg",
    { class: `mark is-${state}`, viewBox: "0 0 10 10", "aria-hidden": "true" },
    svg("path", { d: SHAPES[state] }),
  );
}
