import { hash } from "node:crypto";
import { join } from "node:path";

/** No more files of a folder are looked at. */
export const MAX_FOLDER_FILES = 1000;

/** What changes when a file does, or a folder or one of its files; `undefined` while there is none. */
export async function fileVersion(path: string): Promise<string | undefined> {
  try {
    const { ino, mtime, size, isDirectory } = await Deno.stat(path);
    const own = `${ino} ${mtime?.getTime()} ${size}`;
    return isDirectory ? `${own} ${await contentOf(path)}` : own;
  } catch {
    return undefined;
  }
}

/** The files of a folder in the order of their names, without those whose name begins with a dot. */
export async function filesOf(folder: string): Promise<string[]> {
  const names: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    if (isDirectory || name.startsWith(".")) continue;
    names.push(name);
    if (names.length > MAX_FOLDER_FILES) break;
  }
  return names.toSorted().map((name) => join(folder, name));
}

async function contentOf(folder: string): Promise<string> {
  const files = await filesOf(folder);
  const stats = await Promise.all(files.map(async (file) => {
    try {
      const { ino, mtime, size } = await Deno.stat(file);
      return [file, ino, mtime?.getTime(), size];
    } catch {
      return [file]; // A link that leads nowhere, or a file that has just gone.
    }
  }));
  return hash("sha256", JSON.stringify(stats));
}
