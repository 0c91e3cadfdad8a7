import type { Clock } from "../../core/clock.ts";
import type { Log } from "../../core/log.ts";
import type { CrlProblem } from "../../tls/x509/crl/set.ts";
import { rejectedClients } from "./crl_problem.ts";
import type { CrlInUse } from "./trust_loader.ts";

/** How often the CRLs are looked at, in milliseconds. */
const LOOK_MS = 30_000;

/** Options of {@linkcode CrlWatch}. */
export interface CrlWatchOptions {
  readonly log: Log;
  /** Says when to look. */
  readonly clock: Clock;
  /** The time that CRLs are good by, in milliseconds since 1970. @default {Date.now} */
  readonly now?: () => number;
}

/** A CRL of one user's, as it was when it was last looked at. */
interface Watched extends CrlInUse {
  good: boolean;
}

/**
 * Tells the log when a CRL in use stops being good by the passing of time, before the first client is refused for it,
 * and when it is good again. Reads no files. Its owner ends it; while there is no CRL, nothing runs.
 */
export class CrlWatch {
  readonly #options: CrlWatchOptions;
  #watched: readonly Watched[] = [];
  #cancel: (() => void) | undefined;

  /** Watches nothing yet. */
  constructor(options: CrlWatchOptions) {
    this.#options = options;
  }

  /**
   * Watches these CRLs and no others. Of one just loaded that is bad already nothing is said: who loads it warns of
   * it. One that was bad before for the same user, by the same path, and is not any more, is good again.
   */
  follow(crls: readonly CrlInUse[]): void {
    this.end();
    this.#look(); // Those that stay may have expired since the last look.
    const wasBad = new Set(this.#watched.filter(({ good }) => !good).map(keyOf));
    const nowMs = this.#nowMs();
    this.#watched = crls.map((crl) => ({ ...crl, good: crl.problem(nowMs) === undefined }));
    for (const crl of this.#watched) if (crl.good && wasBad.has(keyOf(crl))) this.#say(crl);
    this.#schedule();
  }

  /** Looks no more. */
  end(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #schedule(): void {
    if (this.#watched.length === 0) return;
    this.#cancel = this.#options.clock.after(LOOK_MS, () => {
      this.#look();
      this.#schedule();
    });
  }

  #look(): void {
    const nowMs = this.#nowMs();
    for (const crl of this.#watched) {
      const problem = crl.problem(nowMs);
      if (crl.good === (problem === undefined)) continue;
      crl.good = problem === undefined;
      this.#say(crl, problem);
    }
  }

  #say({ usedBy, path }: CrlInUse, problem?: CrlProblem): void {
    const { log } = this.#options;
    const fields = { used_by: usedBy, file: path };
    if (problem === undefined) return log.info("a CRL is good again", fields);
    const error = `${rejectedClients(problem)}: ${problem.detail}`;
    log.error("a CRL is no longer good", { ...fields, error });
  }

  #nowMs(): number {
    return (this.#options.now ?? Date.now)();
  }
}

function keyOf({ usedBy, path }: CrlInUse): string {
  return JSON.stringify([usedBy, path]);
}
