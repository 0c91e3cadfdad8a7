import { assertEquals } from "@std/assert";
import { DescriptorBudget } from "../../src/dataplane/descriptor_budget.ts";
import { FakeClock } from "../core/fake_clock.ts";
import { RecordingLog } from "../support/recording_log.ts";

class Service {
  readonly name: string;
  active: number;
  ended = 0;
  /** In other threads. */
  others = 0;

  constructor(name: string, active: number) {
    this.name = name;
    this.active = active;
  }

  get connections(): { value: number } {
    return { value: this.active + this.others };
  }

  shed(count: number): void {
    this.active -= count;
    this.ended += count;
  }
}

function budgetOf(...services: Service[]) {
  const [clock, log] = [new FakeClock(), new RecordingLog()];
  return { clock, log, budget: new DescriptorBudget({ services: () => services, clock, log }) };
}

Deno.test("until the system has refused a descriptor there is no bound", () => {
  const many = new Service("many", 1_000_000);
  assertEquals(budgetOf(many, new Service("few", 0)).budget.refuses(many), false);
});

Deno.test("then the service with the most gives way, gets no more, and others use the reserve", () => {
  const [many, few] = [new Service("many", 990), new Service("few", 10)];
  const { budget, clock, log } = budgetOf(many, few);
  budget.exhausted();
  assertEquals([many.active, few.active], [958, 10]);
  assertEquals(log.lines.map(({ fields }) => fields), [{ service: "many", connections: 32, limit: 968 }]);
  assertEquals([budget.refuses(many), budget.refuses(few)], [true, false]);
  few.active = 42; // The reserve is used up.
  budget.exhausted(); // A failure of the same burst.
  assertEquals(many.active, 958);
  clock.advance(100);
  budget.exhausted();
  assertEquals([many.active, few.active], [926, 42]);
  many.active = 500;
  assertEquals(budget.refuses(many), false); // There is room again.
  many.active = 990;
  assertEquals(budget.refuses(many), true);
  clock.advance(60_000);
  assertEquals(budget.refuses(many), false); // The bound is forgotten.
});

Deno.test("a service that has its share or less loses nothing", () => {
  const [a, b] = [new Service("a", 500), new Service("b", 500)];
  const { budget } = budgetOf(a, b);
  budget.exhausted();
  assertEquals(a.ended + b.ended, 16); // What one has above its share of 968.
  assertEquals([budget.refuses(a), budget.refuses(b)].includes(true), true);
});

Deno.test("one service by itself is bounded and loses nothing, but to the admin listener", () => {
  const only = new Service("only", 400);
  const { budget, clock } = budgetOf(only);
  budget.exhausted();
  assertEquals([only.active, budget.refuses(only)], [400, true]);
  clock.advance(100);
  budget.exhausted({ admin: true });
  assertEquals(only.active, 368);
});

Deno.test("a thread with few connections learns the bound on those of all threads", () => {
  const service = new Service("web", 2);
  service.others = 398;
  const { budget } = budgetOf(service);
  budget.exhausted();
  assertEquals(budget.refuses(service), true);
  service.others = 300;
  assertEquals(budget.refuses(service), false); // There is room again.
});

Deno.test("where no connection lives there is nothing to share", () => {
  const idle = new Service("idle", 0);
  const { budget, log } = budgetOf(idle);
  budget.exhausted({ admin: true });
  assertEquals([log.lines.length, budget.refuses(idle)], [0, false]);
});
