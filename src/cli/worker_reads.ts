import { fileURLToPath } from "node:url";
import type { Config } from "../config/config.ts";

/**
 * The files of the program that workers read, as the runtime loads their modules with the permissions of the program:
 * the main module and the folder of the others, or the one file of a bundle. None if the configuration has no workers,
 * or if the program was loaded from elsewhere or compiled.
 */
export function workerReads({ workers }: Config, mainModule: string = Deno.mainModule): string[] {
  const main = new URL(mainModule);
  if (workers === 1 || main.protocol !== "file:" || Deno.build.standalone) return [];
  const own = new URL(import.meta.url);
  const modules = own.href === main.href ? [] : [fileURLToPath(new URL("../", own)).replace(/\/$/, "")];
  return [fileURLToPath(main), ...modules];
}
