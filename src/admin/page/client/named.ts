import type { Store } from "./store.ts";

/** What the picture works with. */
export interface FlowParts {
  readonly store: Store;
  /** Called when a backend is chosen. */
  readonly onBackend: (upstream: string, address: string) => void;
}

/** A service or an upstream with its name. */
export interface Named<T> {
  readonly name: string;
  readonly view: T;
}

/** What has a position, in its order, with its name. */
export function inOrder<T extends { readonly position: number }>(
  byName: Readonly<Record<string, T>>,
): Named<T>[] {
  return Object.entries(byName).map(([name, view]) => ({ name, view })).sort((a, b) =>
    a.view.position - b.view.position
  );
}

/** Its name. */
export function nameOf({ name }: { readonly name: string }): string {
  return name;
}
