import { assertEquals } from "@std/assert";

const PROGRAM = new URL("./net_only_program.ts", import.meta.url);

for (const variables of [{}, { NODE_TLS_REJECT_UNAUTHORIZED: "0" }]) {
  Deno.test(`with --allow-net alone and ${JSON.stringify(variables)}: no other CA is trusted`, async () => {
    const args = ["run", "--allow-net", "--no-prompt", PROGRAM.pathname];
    const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args,
      env: { ...variables, NO_COLOR: "1" },
    }).output();
    const text = new TextDecoder();
    const lines = text.decode(stdout).trim().split("\n");
    assertEquals(
      lines,
      ['"hello\\n"', "bad-certificate", "unknown-ca", "bad-certificate"],
      text.decode(stderr),
    );
  });
}
