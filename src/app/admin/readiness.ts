import type { ControlPlane } from "../control/control_plane.ts";
import type { ManagedUpstream } from "../upstreams/managed_upstream.ts";

/** Why the program should not be sent connections, in words; empty when it should. */
export function unreadiness(app: ControlPlane): string[] {
  const { state } = app;
  return [
    ...(state === "ready" ? [] : [`the program is ${state}`]),
    ...app.upstreams.flatMap(ofUpstream),
    ...app.credentials.crls.flatMap(({ path, usedBy, problem }) => {
      const found = problem(Date.now());
      return found === undefined
        ? []
        : [`${usedBy}: ${found.comesIn} can come in by the CRL "${path}": ${found.detail}`];
    }),
  ];
}

/** Ready is one with a set, and with a backend in it that has been found good, or that nobody checks. */
function ofUpstream({ upstream, awaited }: ManagedUpstream): string[] {
  const who = `upstream ${upstream.name}`;
  const { backends } = upstream;
  const isGood = backends.some(({ state }) => state === "up");
  const unchecked = isGood ? [] : backends.filter(({ state }) => state === "unknown");
  return [
    ...awaited.map(({ name }) => `${who}: ${name} has not answered yet`),
    ...(unchecked.length === 0 ? [] : [`${who}: ${count(unchecked)} not been checked yet`]),
    ...(upstream.available ? [] : [`${who}: no backend is available (${tally(upstream)})`]),
  ];
}

function count({ length }: readonly unknown[]): string {
  return length === 1 ? "1 backend has" : `${length} backends have`;
}

/** Such as `2 down, 1 full`. */
function tally({ backends }: ManagedUpstream["upstream"]): string {
  const counts = new Map<string, number>();
  for (const { state } of backends) {
    const name = state === "up" || state === "unknown" ? "full" : state;
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return counts.size === 0
    ? "there is none"
    : [...counts].map(([name, count]) => `${count} ${name}`).join(", ");
}
