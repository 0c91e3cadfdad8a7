import { resolve } from "node:path";
import type { Path } from "./problem/problem.ts";
import { DocumentNode } from "./rules/document_node.ts";

/** A file in the place of an answer of the proxy itself, and where in a document it stands. */
export interface ErrorFile {
  /** Such as that of `services[0].errors.502`. */
  readonly path: Path;
  /** The name of the service. */
  readonly service: string;
  readonly status: number;
  /** Resolved. */
  readonly file: string;
}

/** All `errors` of a document of version 1, good or bad. */
export function readErrorFiles(document: unknown, folder: string): ErrorFile[] {
  const services = new DocumentNode([], document).at("services").items();
  return services.flatMap((service) =>
    service.at("errors").entries().flatMap(({ path, value }) => {
      if (typeof value !== "string") return [];
      const [name, status] = [service.at("name").value, Number(path.at(-1))];
      return [{ path, service: String(name), status, file: resolve(folder, value) }];
    })
  );
}
