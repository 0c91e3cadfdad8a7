/** What the program's exit says. The numbers from 64 on are those of BSD's `sysexits.h`. */
export const ExitCode = {
  /** Stopped after a full drain, or the command did what it should. */
  ok: 0,
  /** Failed, or the drain's time ran out with connections cut. */
  failed: 1,
  /** `status` and `top`: the program can't be reached. With {@linkcode ExitCode.failed} it is not ready. */
  unreachable: 2,
  /** Bad usage. */
  usage: 64,
  /** A permission is missing; the message names the flags. */
  noPermission: 77,
  /** The configuration is bad; the message names every problem. */
  badConfig: 78,
} as const;

/** One of {@linkcode ExitCode}'s values. */
export type ExitCode = typeof ExitCode[keyof typeof ExitCode];
