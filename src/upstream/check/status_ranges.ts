import { CulvertError } from "../../core/errors.ts";

/** A set of HTTP status codes. */
export interface StatusRanges {
  /** As it was written. */
  readonly text: string;
  /** Whether a status is one of them. */
  includes(status: number): boolean;
}

const RANGE = /^(\d{3})(?:-(\d{3}))?$/;

/**
 * Reads status codes and ranges of them: `200`, `200-399` or `200,204,300-399`. There may be blanks around a
 * comma.
 *
 * @throws {CulvertError} `bad_status_ranges`, saying what was expected.
 */
export function parseStatusRanges(text: string): StatusRanges {
  const ranges = text.split(",").map((part) => {
    const match = RANGE.exec(part.trim());
    if (match === null) throw bad(text, 'status codes such as 200, 200-399 or "200,204,300-399"');
    const [first, last] = [Number(match[1]), Number(match[2] ?? match[1])];
    if (first < 100 || last > 599) throw bad(text, "codes from 100 to 599");
    if (first > last) throw bad(text, `the smaller code first in ${part.trim()}`);
    return { first, last };
  });
  return { text, includes: (status) => ranges.some(({ first, last }) => first <= status && status <= last) };
}

function bad(text: string, expected: string): CulvertError {
  const message = `Cannot read the status ranges ${JSON.stringify(text)}: expected ${expected}`;
  return new CulvertError("bad_status_ranges", message);
}
