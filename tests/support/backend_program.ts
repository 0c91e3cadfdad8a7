/** What a `BackendProcess` runs: `backend_program.ts HOSTNAME PORT NAME`. */
import { greet } from "./peers.ts";

const [hostname = "", port = "", name = ""] = Deno.args;
const listener = Deno.listen({ hostname, port: Number(port) });
console.log("listening");
for (;;) {
  try {
    const connection = await listener.accept();
    void greet(name)(connection).catch(() => {}).finally(() => connection.close());
  } catch {
    // A check that has left before it was accepted.
  }
}
