import { ProxyFixture, RawOrigin } from "../proxy_fixture.ts";
import { ACCEPTED } from "./accepted.ts";
import { BODIES } from "./bodies.ts";
import { COMBINATIONS } from "./combinations.ts";
import { FIELDS } from "./fields.ts";
import { HOSTS } from "./hosts.ts";
import { REQUEST_HEADS } from "./request_heads.ts";
import { RESPONSES } from "./responses.ts";
import { checkCase, originFor, runClient } from "./run_case.ts";
import { SMUGGLING } from "./smuggling.ts";
import type { StrictnessCase } from "./strictness_case.ts";
import { TARGETS } from "./targets.ts";
import { UPGRADES } from "./upgrades.ts";

const GROUPS: Readonly<Record<string, readonly StrictnessCase[]>> = {
  "heads of requests outside the grammar": REQUEST_HEADS,
  "targets": TARGETS,
  "hosts": HOSTS,
  "unusual requests that are valid": ACCEPTED,
  "lengths and chunks of requests": BODIES,
  "requests that two readers read in two ways": SMUGGLING,
  "fields of connections and of proxies": FIELDS,
  "responses": RESPONSES,
  "upgrades and expectations": UPGRADES,
  "combinations": COMBINATIONS,
};

/** No case takes so long, unless a connection is kept open that must be closed. */
const LATE_MS = 30_000;
/** Cases at once. */
const LANES = 8;

/** Runs one case through a proxy and an origin of its own; resolves to what failed. */
async function run(wanted: StrictnessCase): Promise<string | undefined> {
  let received = "";
  let broken = false;
  const origin = new RawOrigin(originFor(wanted));
  try {
    {
      await using fixture = new ProxyFixture([origin], wanted.options);
      const client = await fixture.client();
      const late = setTimeout(() => client.close(), LATE_MS);
      await runClient(client, wanted);
      clearTimeout(late);
      ({ received, broken } = client);
    }
    // The proxy is gone: nothing more comes.
    await Promise.all(origin.connections.map(({ done }) => done));
    const seen = origin.connections.map((connection) => connection.received);
    checkCase(wanted, { received, broken, seen });
    return undefined;
  } catch (error) {
    return `${wanted.name}: ${(error as Error).message}`;
  } finally {
    await origin[Symbol.asyncDispose]();
  }
}

for (const [group, cases] of Object.entries(GROUPS)) {
  Deno.test(`strictness: ${group} (${cases.length} cases)`, async () => {
    const failures: string[] = [];
    const waiting = [...cases];
    const lane = async () => {
      for (let wanted; (wanted = waiting.shift()) !== undefined;) {
        const failure = await run(wanted);
        if (failure !== undefined) failures.push(failure);
      }
    };
    await Promise.all(Array.from({ length: LANES }, lane));
    if (failures.length > 0) throw new Error(`${failures.length} failed:\n${failures.join("\n")}`);
  });
}
