import type { Backend } from "../../upstream/backend.ts";
import type { OutlierOptions } from "../../upstream/options.ts";
import { OutlierDetector, type OutlierParts } from "../../upstream/outlier.ts";
import type { PoolBackend } from "./pool_backend.ts";

/** Counts what requests show of the backends of a pool, besides ejecting those that fail. */
export class PoolOutliers extends OutlierDetector {
  readonly #viewOf: (backend: Backend) => PoolBackend;

  constructor(
    options: OutlierOptions,
    parts: OutlierParts<Backend> & { viewOf: (backend: Backend) => PoolBackend },
  ) {
    super(options, parts);
    this.#viewOf = parts.viewOf;
  }

  override connectFailed(backend: Backend): void {
    this.#viewOf(backend).failed++;
    super.connectFailed(backend);
  }

  override broke(backend: Backend): void {
    this.#viewOf(backend).failed++;
    super.broke(backend);
  }

  override responded(backend: Backend, status: number): void {
    this.#viewOf(backend).succeeded++;
    if (status >= 500) super.broke(backend);
    else super.answered(backend);
  }
}
