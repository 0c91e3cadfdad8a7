// Run by a test beside it, and prints what it came to. With a path alone it listens there again and again, as an owner's
// socket. With a group as well it listens once, for the group too, and waits for a client.
import { listen } from "../../src/net/listen.ts";

const [path = "", group] = Deno.args;
try {
  if (group === undefined) {
    for (let i = 0; i < 300; i++) (await listen({ kind: "unix", path })).close();
    console.log("closed");
  } else {
    const access = { mode: 0o660, group: Number(group) };
    const listener = await listen({ kind: "unix", path, access });
    (await listener.accept()).close();
    console.log("accepted");
    listener.close();
  }
} catch (error) {
  console.log(error instanceof Error ? error.message : String(error));
}
