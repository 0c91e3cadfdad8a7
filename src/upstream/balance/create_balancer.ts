import type { BalanceName, Balancer, Candidate } from "./balancer.ts";
import { First } from "./first.ts";
import { LeastConnections } from "./least_connections.ts";
import { RandomTwoChoices } from "./random_two_choices.ts";
import { SmoothWeightedRoundRobin } from "./smooth_weighted_round_robin.ts";
import { SourceHash } from "./source_hash.ts";

/** Creates the balancer with this name, with an empty set. */
export function createBalancer<B extends Candidate>(name: BalanceName): Balancer<B> {
  switch (name) {
    case "round-robin":
      return new SmoothWeightedRoundRobin();
    case "least-connections":
      return new LeastConnections();
    case "random-two-choices":
      return new RandomTwoChoices();
    case "source-hash":
      return new SourceHash();
    case "first":
      return new First();
  }
}
