import { outputOf } from "./tools.ts";

/**
 * The lines that load nginx's stream module: none where it is built in, `undefined` where it is missing.
 * Debian ships it as a package of its own (libnginx-mod-stream).
 */
export async function nginxModules(): Promise<string | undefined> {
  const built = await outputOf("nginx", ["-V"]) ?? "";
  if (/--with-stream(\s|$)/.test(built)) return "";
  const directory = /--modules-path=(\S+)/.exec(built)?.[1];
  if (directory === undefined) return undefined;
  const file = `${directory}/ngx_stream_module.so`;
  try {
    await Deno.stat(file);
  } catch {
    return undefined;
  }
  return `load_module ${file};\n`;
}
