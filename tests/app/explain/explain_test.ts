import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { loadCredentials } from "../../../src/app/credentials/credentials.ts";
import { Explainer } from "../../../src/app/explain/explain.ts";
import type { Explanation, Imagined } from "../../../src/app/explain/imagined.ts";
import { ConfigReading } from "../../../src/config/reading.ts";
import { readCertificates } from "../../../src/tls/x509/read_certificates.ts";
import { CASES, explainFixture } from "./explain_cases.ts";

const BACKENDS = { db: "10.0.0.1:1", app: "10.0.0.2:2" };

/** The configuration as text, read, and with an explainer. */
async function prepared(text: string): Promise<{ reading: ConfigReading; explainer: Explainer }> {
  const reading = new ConfigReading(text, { name: "culvert.yaml", folder: "/" });
  assertEquals(reading.problems(), []);
  const credentials = await loadCredentials(reading, "culvert.yaml");
  return { reading, explainer: await Explainer.create(reading, credentials) };
}

/** The line that decided: of the first step that refuses, else of the one that is about what the case is about. */
function decidingLine({ steps }: Explanation, { reading, text, line }: {
  reading: ConfigReading;
  text: string;
  line: string;
}): string[] {
  const refused = steps.find(({ passed }) => !passed);
  const lines = text.split("\n");
  const decisive = refused === undefined ? steps : [refused];
  return decisive.map(({ path }) => lines[(path && reading.lineOf(path) || 0) - 1] ?? "")
    .filter((each) => each.includes(line));
}

Deno.test("every decision has its verdict and the line of the configuration that decided", async () => {
  await using fixture = await explainFixture(BACKENDS);
  const { reading, explainer } = await prepared(fixture.config);
  await using _ = explainer;
  for (const { title, cert, expect, line, ...imagined } of CASES) {
    const issued = cert === undefined ? undefined : fixture.clients[cert]!;
    const chain = issued && readCertificates(issued.chainPem).map(({ der }) => der);
    const explanation = await explainer.explain({ ...imagined, chain });
    const { steps: _steps, ...outcome } = explanation;
    assertEquals(withoutAbsent(outcome), { ...expect }, title);
    const found = decidingLine(explanation, { reading, text: fixture.config, line });
    assert(found.length > 0, `${title}: no step names the line with ${line}: ${JSON.stringify(explanation)}`);
  }
});

function withoutAbsent(value: object): object {
  return Object.fromEntries(Object.entries(value).filter(([, each]) => each !== undefined));
}

Deno.test("backends are told in the order in which they would be tried", async () => {
  const { explainer } = await prepared(`version: 1
upstreams:
  db:
    balance: first
    retries: 1
    backends:
      - 10.0.0.1:1
      - {address: "10.0.0.2:2", weight: 0}
      - {address: "10.0.0.3:3", backup: true}
      - 10.0.0.4:4
services:
  - {name: db, listen: [":1"], upstream: db}
`);
  await using _ = explainer;
  const { steps, verdict } = await explainer.explain({ service: "db" });
  assertEquals(verdict, "accept");
  const { text = "" } = steps.find(({ name }) => name === "backends") ?? {};
  assertStringIncludes(text, "by first: 10.0.0.1:1, 10.0.0.4:4, 10.0.0.3:3; 1 more at most");
  assertStringIncludes(text, "not used: 10.0.0.2:2 (drained)");
});

Deno.test("one address always gets the same backend by source-hash, as in the data plane", async () => {
  const backends = Array.from({ length: 9 }, (_, index) => `10.0.0.${index}:1`);
  const { explainer } = await prepared(`version: 1
upstreams: {db: {balance: source-hash, backends: ${JSON.stringify(backends)}}}
services: [{name: db, listen: [":1"], upstream: db}]
`);
  await using _ = explainer;
  const chosen = async (from: string) => {
    const { steps } = await explainer.explain({ service: "db", from });
    return /source-hash: ([^,]+)/.exec(steps.at(-1)!.text)![1]!;
  };
  const [first, again] = [await chosen("10.1.1.1"), await chosen("10.1.1.1")];
  assertEquals(first, again);
  const others = new Set<string>();
  for (let n = 0; n < 20; n++) others.add(await chosen(`10.1.2.${n}`));
  assert(others.size > 3);
});

Deno.test("backends that discovery brings are not known, and said so", async () => {
  const { explainer } = await prepared(`version: 1
upstreams: {db: {discover: {file: backends.yaml}}}
services: [{name: db, listen: [":1"], upstream: db}]
`);
  await using _ = explainer;
  const { steps, verdict } = await explainer.explain({ service: "db" });
  assertEquals([verdict, steps.at(-1)!.text], ["accept", "db: they are discovered at run time"]);
});

Deno.test("what a service can't get is bad usage, not a verdict", async () => {
  await using fixture = await explainFixture(BACKENDS);
  const { explainer } = await prepared(fixture.config);
  await using _ = explainer;
  const request = { method: "GET", url: "http://a/" };
  const wrong: [Imagined, string][] = [
    [{ service: "nowhere" }, 'Cannot explain service "nowhere": the services are behind, untrusting'],
    [{ service: "names", via: "127.0.0.1" }, "it reads no PROXY header"],
    [{ service: "names", chain: [] }, "it has no tls"],
    [{ service: "names", request }, "it has protocol: tcp"],
    [{ service: "web" }, "a method and a URL are needed"],
    [{ service: "web", request: { ...request, url: "https://a/" } }, "begins with http://"],
  ];
  for (const [imagined, message] of wrong) {
    const error = await assertRejects(() => explainer.explain(imagined));
    assertStringIncludes((error as Error).message, message);
  }
});
