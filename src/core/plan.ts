/**
 * A change that has been prepared: all that can fail has been done. Disposed of without {@linkcode Plan.commit}, it
 * changes nothing, and closes what was opened for it.
 */
export interface Plan<Result = void> extends Disposable {
  /** Makes the change, synchronously. Once only. */
  commit(): Result;
}
