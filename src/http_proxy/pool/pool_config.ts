import { CulvertError } from "../../core/errors.ts";
import type { BalanceName, Balancer } from "../../upstream/balance/balancer.ts";
import { createBalancer } from "../../upstream/balance/create_balancer.ts";
import { checkCount } from "./backend_url.ts";
import type { HttpPoolConfig } from "./options.ts";
import type { PoolBackend } from "./pool_backend.ts";
import { PoolRoundRobin } from "./pool_round_robin.ts";

const BALANCES: readonly string[] = [
  "round-robin",
  "least-connections",
  "random-two-choices",
  "source-hash",
  "first",
] satisfies BalanceName[];

/** The same, frozen. Throws `bad_config` for what can't be used. */
export function checkedConfig({ balance, maxConnections }: HttpPoolConfig): HttpPoolConfig {
  const isKnown = typeof balance === "string"
    ? BALANCES.includes(balance)
    : typeof balance?.pick === "function" && typeof balance.update === "function";
  if (!isKnown) {
    throw new CulvertError(
      "bad_config",
      `Cannot use the balancer ${JSON.stringify(balance)}: expected one of ${BALANCES.join(", ")}, ` +
        "or an object with update and pick",
    );
  }
  try {
    checkCount("maxConnections", maxConnections);
  } catch (error) {
    throw new CulvertError("bad_config", (error as Error).message);
  }
  return Object.freeze({ balance, maxConnections });
}

/** What picks. A pool shows the state of `round-robin`, so it has its own. */
export function balancerOf({ balance }: HttpPoolConfig): Balancer<PoolBackend> {
  if (balance === "round-robin") return new PoolRoundRobin();
  return typeof balance === "string" ? createBalancer(balance) : balance;
}
