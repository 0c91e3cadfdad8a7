import { eventLoopPoll } from "./event_loop.ts";

/** Work that can be interrupted: it yields wherever it may pause, some times in each millisecond. */
export type Steps<T> = Generator<void, T>;

/** Options of {@linkcode runInSlices}. */
export interface SliceOptions {
  /** How long the work may keep the event loop before it pauses, in milliseconds. @default {4} */
  readonly sliceMs?: number;
  /** Lets the event loop do everything else that is ready. @default {eventLoopPoll} */
  readonly pause?: () => Promise<void>;
}

const SLICE_MS = 4;

/** Runs work to its end without a pause. */
export function runAtOnce<T>(steps: Steps<T>): T {
  let step = steps.next();
  while (!step.done) step = steps.next();
  return step.value;
}

/**
 * Runs work in slices, so that connections are served while a large input is processed. What the work throws rejects
 * the promise.
 */
export async function runInSlices<T>(steps: Steps<T>, options: SliceOptions = {}): Promise<T> {
  const { sliceMs = SLICE_MS, pause = eventLoopPoll } = options;
  let sinceMs = performance.now();
  let step = steps.next();
  while (!step.done) {
    if (performance.now() - sinceMs >= sliceMs) {
      await pause();
      sinceMs = performance.now();
    }
    step = steps.next();
  }
  return step.value;
}

/** Calls `visit` with each item, in slices. What it throws rejects the promise. */
export async function forEachInSlices<T>(items: Iterable<T>, visit: (item: T) => void): Promise<void> {
  await runInSlices(visitSteps(items, visit));
}

function* visitSteps<T>(items: Iterable<T>, visit: (item: T) => void): Steps<void> {
  for (const item of items) {
    visit(item);
    yield;
  }
}
