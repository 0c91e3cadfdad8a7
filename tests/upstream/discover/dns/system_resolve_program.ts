// Run by the test beside it with few permissions. Says how it goes to resolve a name as the system does.
import { systemResolve } from "../../../../src/upstream/discover/dns/system_resolve.ts";

const { signal } = new AbortController();
const outcome = await systemResolve()({ name: "db.internal", type: "A" }, signal)
  .then(() => "found", (error) => `${error.code} ${error.message}`);
console.log(`${outcome}\ndone`);
