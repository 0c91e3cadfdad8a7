/** A program that prints the first set of an etcd's, for tests of what the environment does to it. */
import { etcdSource } from "../../../../src/upstream/discover/etcd/source.ts";
import { parseBackend, PREFIX } from "./fixture.ts";

const [endpoint = ""] = Deno.args;
const source = etcdSource({ endpoints: [endpoint], prefix: PREFIX, parse: parseBackend });
for await (const set of source(new AbortController().signal)) {
  console.log(JSON.stringify(set.map(({ address }) => address)));
  break;
}
