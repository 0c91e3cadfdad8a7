// Run by the test beside it with few permissions. Says how it goes to dial and to connectAndReset the addresses that are named.
import { parseAddress } from "../../src/net/address.ts";
import { dial } from "../../src/net/dial.ts";
import { connectAndReset } from "../../src/net/connect_and_reset.ts";

const { signal } = new AbortController();
for (const text of Deno.args) {
  const address = parseAddress(text);
  for (
    const [what, how] of Object.entries({
      dial: async () => (await dial(address, signal)).close(),
      connectAndReset: () => connectAndReset(address, signal),
    })
  ) {
    const outcome = await how().then(() => "good", (error) => `${error.code} ${error.message}`);
    console.log(`${what} ${text}: ${outcome}`);
  }
}
console.log("done");
