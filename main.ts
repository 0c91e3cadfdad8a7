// Workers run this module, too, and load only what they need.
if ("WorkerGlobalScope" in globalThis) {
  const { runWorker } = await import("./src/workers/worker_main.ts");
  runWorker();
} else if (import.meta.main) {
  const { main } = await import("./src/cli/main.ts");
  Deno.exit(await main(Deno.args));
}
