import { assert, assertEquals, assertInstanceOf, assertLess, assertThrows } from "@std/assert";
import { type BalanceName, type Balancer, EmptySetError } from "../../../src/upstream/balance/balancer.ts";
import { createBalancer } from "../../../src/upstream/balance/create_balancer.ts";
import { First } from "../../../src/upstream/balance/first.ts";
import { LeastConnections } from "../../../src/upstream/balance/least_connections.ts";
import { RandomTwoChoices } from "../../../src/upstream/balance/random_two_choices.ts";
import { SmoothWeightedRoundRobin } from "../../../src/upstream/balance/smooth_weighted_round_robin.ts";
import { SourceHash } from "../../../src/upstream/balance/source_hash.ts";
import { seededRandom } from "../../core/seeded_random.ts";
import { TestBackend } from "./fixtures.ts";

const CLASSES = {
  "round-robin": SmoothWeightedRoundRobin,
  "least-connections": LeastConnections,
  "random-two-choices": RandomTwoChoices,
  "source-hash": SourceHash,
  "first": First,
};

const NAMES = Object.keys(CLASSES) as BalanceName[];

Deno.test("each name of a balancer makes that balancer", () => {
  for (const name of NAMES) assertInstanceOf(createBalancer<TestBackend>(name), CLASSES[name]);
});

for (const name of NAMES) {
  Deno.test(`${name} picks only available backends, whatever happens to the set`, () => {
    for (let seed = 1; seed <= 20; seed++) new Scenario(name, seededRandom(seed)).run(500);
  });

  Deno.test(`${name} trusts neither the weight nor the availability alone`, () => {
    const balancer = createBalancer<TestBackend>(name);
    const weightless = { key: "weightless", weight: 0, active: 0, available: true } as TestBackend;
    balancer.update([weightless]);
    assertEquals(balancer.pick(), undefined);
    const normal = new TestBackend("normal");
    balancer.update([weightless, normal, { ...weightless, key: "another" } as TestBackend]);
    for (let i = 0; i < 20; i++) assert(balancer.pick({ source: `${i}` }) === normal);
    assertEquals(balancer.pick({ exclude: [normal] }), undefined);
  });

  Deno.test(`${name} does not notice what happens to the array of an update afterwards`, () => {
    const balancer = createBalancer<TestBackend>(name);
    const backends = [new TestBackend("a")];
    balancer.update(backends);
    backends.length = 0;
    assertEquals(balancer.pick()?.key, "a");
  });

  Deno.test(`${name} takes an update of 10,000 backends in time that grows with their number`, () => {
    const balancer = createBalancer<TestBackend>(name);
    const backends = Array.from(
      { length: 10_000 },
      (_, i) => new TestBackend(`backend-${i}:5432`, 1 + i % 9),
    );
    balancer.update(backends);
    TestBackend.reads = 0;
    balancer.update(backends.toReversed());
    assertLess(TestBackend.reads, 40 * backends.length);
  });
}

/** Random operations on a balancer, each pick held against what is known of the backends. */
class Scenario {
  readonly #balancer: Balancer<TestBackend>;
  readonly #random: () => number;
  #backends: TestBackend[] = [];
  #made = 0;

  constructor(name: BalanceName, random: () => number) {
    this.#balancer = name === "random-two-choices" ? new RandomTwoChoices({ random }) : createBalancer(name);
    this.#random = random;
  }

  run(steps: number): void {
    for (let step = 0; step < steps; step++) {
      const dice = this.#random();
      if (dice < 0.05) this.#update();
      else if (dice < 0.3) this.#flip();
      else this.#pick();
    }
  }

  #update(): void {
    const stay = this.#backends.filter(() => this.#random() < 0.8);
    const come = Array.from(
      { length: this.#below(4) },
      () => new TestBackend(`${this.#made++}`, this.#below(6)),
    );
    for (const backend of stay) if (this.#random() < 0.2) backend.weight = this.#below(6);
    this.#backends = this.#random() < 0.5 ? [...stay, ...come] : [...come, ...stay.reverse()];
    this.#balancer.update(this.#backends);
  }

  #flip(): void {
    const backend = this.#backends[this.#below(this.#backends.length)];
    if (backend === undefined) return;
    backend.up = !backend.up;
    backend.active = this.#below(20);
  }

  #pick(): void {
    const exclude = this.#random() < 0.7 ? [] : this.#backends.filter(() => this.#random() < 0.4);
    const options = { source: `client ${this.#below(50)}`, ...(exclude.length === 0 ? {} : { exclude }) };
    if (this.#backends.length === 0) {
      assertThrows(() => this.#balancer.pick(options), EmptySetError);
      return;
    }
    const eligible = this.#backends.filter((backend) => backend.available && !exclude.includes(backend));
    const picked = this.#balancer.pick(options);
    if (picked === undefined) assertEquals(eligible, []);
    else assert(eligible.includes(picked), `${picked.key} can't be had`);
  }

  #below(bound: number): number {
    return Math.floor(this.#random() * bound);
  }
}
