import type { UpstreamAvailability } from "../../dataplane/report.ts";
import { rejectedClients } from "../credentials/crl_problem.ts";
import type { ControlPlane } from "../control/control_plane.ts";

/** What readiness is about. */
export type ReadinessParts = Pick<ControlPlane, "state" | "upstream" | "credentials"> & {
  readonly dataPlane: Pick<ControlPlane["dataPlane"], "availability">;
};

/** Why the program should not be sent connections, in words; empty when it should. */
export async function unreadiness(controlPlane: ReadinessParts): Promise<string[]> {
  const upstreams = await controlPlane.dataPlane.availability();
  const { state, credentials } = controlPlane;
  return [
    ...(state === "ready" ? [] : [`the program is ${state}`]),
    ...upstreams.flatMap((each) => reasonsOf(each, controlPlane.upstream(each.name)?.awaited ?? [])),
    ...credentials.crls.flatMap(({ path, usedBy, problem }) => {
      const found = problem(Date.now());
      return found === undefined
        ? []
        : [`${usedBy}: ${rejectedClients(found)} because of the CRL "${path}": ${found.detail}`];
    }),
  ];
}

/** An upstream is ready that has a backend which was found good, or which is not checked. */
function reasonsOf(
  { name, available, counts }: UpstreamAvailability,
  awaited: readonly { readonly name: string }[],
): string[] {
  const prefix = `upstream ${name}`;
  const { up = 0, unknown = 0 } = counts;
  const unchecked = up > 0 ? 0 : unknown;
  return [
    ...awaited.map((source) => `${prefix}: ${source.name} has not answered yet`),
    ...(unchecked === 0 ? [] : [
      `${prefix}: ${unchecked === 1 ? "1 backend has" : `${unchecked} backends have`} not been checked yet`,
    ]),
    ...(available ? [] : [`${prefix}: no backend is available (${tally(counts)})`]),
  ];
}

/** Such as `2 down, 1 full`. A backend that is up and yet not available is full. */
function tally(counts: UpstreamAvailability["counts"]): string {
  const merged = new Map<string, number>();
  for (const [state, count] of Object.entries(counts)) {
    const name = state === "up" || state === "unknown" ? "full" : state;
    merged.set(name, (merged.get(name) ?? 0) + count);
  }
  return merged.size === 0
    ? "there is none"
    : [...merged].map(([state, count]) => `${count} ${state}`).join(", ");
}
