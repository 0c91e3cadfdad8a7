import { assertEquals } from "@std/assert";

/**
 * The rooms of `src/`, sub-rooms by their path. Each imports only from itself and from those above it in this list,
 * types included. A sub-room that is not listed belongs to the room that it lies in.
 */
const ROOMS = [
  "core",
  "net",
  "net/client_hello",
  "net/proxy_protocol",
  "http",
  "tls/x509",
  "tls/x509/signature",
  "tls/x509/crl",
  "tls/x509/path",
  "tls/session",
  "tls/starttls",
  "tls/authorize",
  "tls/authority",
  "tls",
  "upstream/balance",
  "upstream/pool",
  "upstream/check/half_open",
  "upstream/check",
  "upstream",
  "upstream/discover",
  "upstream/discover/dns",
  "upstream/discover/etcd",
  "service",
  "tcp",
  "http_proxy",
  "dataplane",
  "workers",
  "config/problem",
  "config/yaml",
  "config/schema",
  "config/rules",
  "config",
  "admin/status",
  "admin/metrics",
  "admin/live",
  "admin/page",
  "admin",
  "app/log",
  "app/watch",
  "app/credentials",
  "app/upstreams",
  "app/control",
  "app/explain",
  "app/admin",
  "app",
  "cli",
];
/** Libraries that a part of `src/` may use alone, and that are loaded with it on demand: `import("…")`. */
const ON_DEMAND: ReadonlyMap<string, string> = new Map([["pkijs", "tls/authority/"], [
  "asn1js",
  "tls/authority/",
]]);
/** Longer than this, a file is likely to do more than one thing. */
const MAX_LINES = 400;

const SRC = new URL("../src/", import.meta.url);

async function* sources(folder: URL): AsyncGenerator<URL> {
  for await (const entry of Deno.readDir(folder)) {
    if (entry.isDirectory) yield* sources(new URL(`${entry.name}/`, folder));
    else if (entry.name.endsWith(".ts")) yield new URL(entry.name, folder);
  }
}

/** The innermost of the rooms that a file lies in; `undefined` for the library's surface. */
function roomOf(file: URL): string | undefined {
  let folder = file.pathname.slice(SRC.pathname.length);
  while (folder.includes("/")) {
    folder = folder.slice(0, folder.lastIndexOf("/"));
    if (ROOMS.includes(folder)) return folder;
  }
}

/** The files that one imports or exports from, in code, not in the examples of its comments. */
async function importsOf(file: URL): Promise<URL[]> {
  const text = await Deno.readTextFile(file);
  return [...text.matchAll(/^(?:import|export) [^;]*?from "(\.[^"]+\.ts)"/gm)].map(([, path]) =>
    new URL(path!, file)
  );
}

Deno.test("each room of src/ imports only from the rooms above it", async () => {
  const wrong: string[] = [];
  for await (const file of sources(SRC)) {
    const room = roomOf(file);
    if (room === undefined) {
      // The library's surface may name everything.
      if (file.pathname.slice(SRC.pathname.length).includes("/")) {
        wrong.push(`${file.pathname}: no such room`);
      }
      continue;
    }
    for (const target of await importsOf(file)) {
      const imported = roomOf(target);
      if (ROOMS.indexOf(imported ?? "") > ROOMS.indexOf(room)) {
        wrong.push(`${room} imports ${imported}: ${file.pathname} -> ${target.pathname}`);
      }
    }
  }
  assertEquals(wrong, []);
});

Deno.test("no module is part of a circle of imports, types included", async () => {
  const edges = new Map<string, string[]>();
  for await (const file of sources(SRC)) {
    edges.set(file.href, (await importsOf(file)).map(({ href }) => href));
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

Deno.test("pkijs and asn1js are imported by the authority alone, and not before it issues something", async () => {
  const wrong: string[] = [];
  const users = new Set<string>();
  for await (const file of sources(SRC)) {
    const path = file.pathname.slice(SRC.pathname.length);
    for (const [, name] of (await Deno.readTextFile(file)).matchAll(/^import .*? from "([^."][^"]*)"/gm)) {
      const folder = ON_DEMAND.get(name!);
      if (folder === undefined) continue;
      users.add(file.href);
      if (!path.startsWith(folder)) wrong.push(`${path} imports ${name}`);
    }
  }
  const loaded = new Set([new URL("mod.ts", SRC).href, new URL("../main.ts", SRC).href]);
  for (const file of loaded) {
    if (users.has(file)) wrong.push(`${file} is loaded at the start`);
    const text = await Deno.readTextFile(new URL(file));
    for (const [, path] of text.matchAll(/^(?:import|export) (?!type )[^;]*?from "(\.[^"]+\.ts)"/gm)) {
      loaded.add(new URL(path!, file).href);
    }
  }
  assertEquals(wrong, []);
  assertEquals([users.size > 0, loaded.size > users.size], [true, true]);
});

Deno.test("no file of src/ is so long that it must do more than one thing", async () => {
  const long: string[] = [];
  for await (const file of sources(SRC)) {
    const lines = (await Deno.readTextFile(file)).split("\n").length;
    if (lines > MAX_LINES) long.push(`${file.pathname}: ${lines} lines`);
  }
  assertEquals(long, []);
});
