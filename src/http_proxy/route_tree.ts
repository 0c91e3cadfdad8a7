import type { HttpRoute } from "./options.ts";

const SLASH = 0x2f;

/** The routes of one host and one path. */
export interface RouteEntry {
  readonly byMethod: Map<string, HttpRoute>;
  /** The one that names no methods. */
  anyMethod: HttpRoute | undefined;
  /** What Allow says. */
  allow: string;
}

interface Node {
  readonly children: Map<string, Node>;
  /** Routes whose path ends here without a slash. */
  plain: RouteEntry | undefined;
  /** Routes whose path ends here with a slash. */
  slashed: RouteEntry | undefined;
}

/** The routes of one host by their paths: a prefix tree of whole segments. */
export class RouteTree {
  /** The longest match of the last {@linkcode RouteTree.find}. */
  entry: RouteEntry | undefined;
  /** Where the match ends in the path. */
  end = 0;
  /** The longer a match, the higher; -1 for none. */
  rank = -1;
  readonly #root: Node = newNode();

  /** Adds a route. Returns whether there was room: each path has one route for each method. */
  add(path: string, route: HttpRoute): boolean {
    let node = this.#root;
    for (const segment of path.split("/")) {
      const key = segmentKey(segment);
      if (key === "") continue;
      let child = node.children.get(key);
      if (child === undefined) node.children.set(key, child = newNode());
      node = child;
    }
    const isSlashed = path.endsWith("/");
    const entry = (isSlashed ? node.slashed : node.plain) ?? newEntry();
    if (isSlashed) node.slashed = entry;
    else node.plain = entry;
    return addTo(entry, route);
  }

  /**
   * Finds the longest match, and tells its rank. At the end of a path `/a` comes before `/a/`, and with something
   * behind it `/a/` comes before `/a`.
   */
  find(path: string): number {
    let node: Node | undefined = this.#root;
    let depth = 0;
    this.entry = node.slashed;
    this.end = 0;
    this.rank = this.entry === undefined ? -1 : 0;
    for (let at = 0; at < path.length;) {
      if (path.charCodeAt(at) === SLASH) {
        at++;
        continue;
      }
      let stop = path.indexOf("/", at);
      if (stop === -1) stop = path.length;
      const key = segmentKey(path.slice(at, stop));
      at = stop;
      if (key === "") continue;
      node = node.children.get(key);
      if (node === undefined) break;
      depth++;
      this.#keep(node, { depth, end: stop, isLast: stop === path.length });
    }
    return this.rank;
  }

  #keep(
    { plain, slashed }: Node,
    { depth, end, isLast }: { depth: number; end: number; isLast: boolean },
  ): void {
    const [first, second] = isLast ? [plain, slashed] : [slashed, plain];
    const entry = first ?? second;
    if (entry === undefined) return;
    this.entry = entry;
    this.end = end;
    this.rank = 2 * depth + (first === undefined ? 0 : 1);
  }
}

function newNode(): Node {
  return { children: new Map(), plain: undefined, slashed: undefined };
}

function newEntry(): RouteEntry {
  return { byMethod: new Map(), anyMethod: undefined, allow: "" };
}

function addTo(entry: RouteEntry, route: HttpRoute): boolean {
  const { methods } = route.match;
  if (methods === undefined) {
    if (entry.anyMethod !== undefined) return false;
    entry.anyMethod = route;
    return true;
  }
  for (const method of methods) {
    if (entry.byMethod.has(method)) return false;
    entry.byMethod.set(method, route);
  }
  entry.allow = [...entry.byMethod.keys()].join(", ");
  return true;
}

/** A segment as it is compared: decoded, one character for each octet, and without parameters. */
function segmentKey(segment: string): string {
  const decoded = segment.includes("%")
    ? segment.replaceAll(/%([0-9A-F]{2})/gi, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)))
    : segment;
  const end = decoded.indexOf(";");
  return end === -1 ? decoded : decoded.slice(0, end);
}
