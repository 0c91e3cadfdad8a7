// Run by the test beside it with few permissions. Says what is discovered at a server of 127.0.0.1.
import { dnsSource } from "../../../../src/upstream/discover/dns/source.ts";

const server = { kind: "tcp", host: "127.0.0.1", port: Number(Deno.args[0]) } as const;
const source = dnsSource({ name: "db.internal", type: "A", port: 5432, server });
const iterator = source(new AbortController().signal)[Symbol.asyncIterator]();
try {
  const { value } = await iterator.next();
  console.log(JSON.stringify(value));
} catch (error) {
  console.log((error as Error).message);
}
