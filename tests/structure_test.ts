import { assertEquals } from "@std/assert";

/** The rooms of `src/`. Each imports only from itself and from those above it in this list. */
const ROOMS = ["core", "net", "tls", "upstream", "tcp", "http", "config", "admin", "app", "cli"];
/** Longer than this, a file is likely to do more than one thing. */
const MAX_LINES = 400;

const SRC = new URL("../src/", import.meta.url);

async function* sources(folder: URL): AsyncGenerator<URL> {
  for await (const entry of Deno.readDir(folder)) {
    if (entry.isDirectory) yield* sources(new URL(`${entry.name}/`, folder));
    else if (entry.name.endsWith(".ts")) yield new URL(entry.name, folder);
  }
}

function roomOf(file: URL): string {
  const path = file.pathname.slice(SRC.pathname.length);
  return path.includes("/") ? path.slice(0, path.indexOf("/")) : "";
}

Deno.test("each room of src/ imports only from the rooms above it", async () => {
  const wrong: string[] = [];
  for await (const file of sources(SRC)) {
    const room = roomOf(file);
    if (room === "") continue; // The library's surface may name everything.
    if (!ROOMS.includes(room)) wrong.push(`${file.pathname}: no such room`);
    for (const [, target] of (await Deno.readTextFile(file)).matchAll(/ from "(\.[^"]+)"/g)) {
      const imported = roomOf(new URL(target!, file));
      if (ROOMS.indexOf(imported) > ROOMS.indexOf(room)) {
        wrong.push(`${room} imports ${imported}: ${file.pathname}`);
      }
    }
  }
  assertEquals(wrong, []);
});

Deno.test("no module is part of a circle of imports", async () => {
  const edges = new Map<string, string[]>();
  for await (const file of sources(SRC)) {
    const text = (await Deno.readTextFile(file)).replaceAll(/^import type .*$/gm, "");
    const targets = [...text.matchAll(/^(?:import|export) .*?from "(\.[^"]+)"/gms)];
    edges.set(file.href, targets.map(([, target]) => new URL(target!, file).href));
  }
  const done = new Set<string>();
  const circles: string[] = [];
  const visit = (file: string, trail: readonly string[]) => {
    if (trail.includes(file)) circles.push([...trail.slice(trail.indexOf(file)), file].join(" -> "));
    else if (!done.has(file)) {
      for (const next of edges.get(file) ?? []) visit(next, [...trail, file]);
      done.add(file);
    }
  };
  for (const file of edges.keys()) visit(file, []);
  assertEquals(circles, []);
});

Deno.test("no file of src/ is so long that it must do more than one thing", async () => {
  const long: string[] = [];
  for await (const file of sources(SRC)) {
    const lines = (await Deno.readTextFile(file)).split("\n").length;
    if (lines > MAX_LINES) long.push(`${file.pathname}: ${lines} lines`);
  }
  assertEquals(long, []);
});
