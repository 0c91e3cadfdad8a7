/** What does not belong to a segment of a path. `\` is a slash to many a program. */
const DELIMITERS: ReadonlySet<number> = new Set([..."/\\?#@"].map((char) => char.charCodeAt(0)));
/** A slash that is written otherwise, of the length of three slashes. */
const HIDDEN_SLASH = /%2f|%5c/gi;
const HIDDEN_DOT = /%2e/gi;
const SEGMENT_ENDS = /[/\\?#]/;

/** A step of a pattern: one certain character, or a wildcard. */
type Step = number | "segment" | "path";

/**
 * Makes a test of a pattern in which `*` stands for one or more characters of one segment (none of `/`, `?`, `#`,
 * `@` and `\`, nor `%2f`), and `**` for one or more of any kind. Everything else, `?` and `[` too, stands for
 * itself. A text with a segment `.` or `..` is matched by no pattern with wildcards: what it names is not what it
 * says.
 *
 * All ways to match are followed at the same time (Thompson, "Regular Expression Search Algorithm", 1968), so
 * no text can make it slow: the time is the length of the text times that of the pattern.
 */
export function compileUriPattern(pattern: string): (text: string) => boolean {
  const steps = parseSteps(pattern);
  return (text) => {
    if (hasDotSegment(text)) return false;
    const plain = text.replaceAll(HIDDEN_SLASH, "///");
    // `active[i]`: the text so far is matched by the first `i` steps.
    let active = new Uint8Array(steps.length + 1);
    let next = new Uint8Array(steps.length + 1);
    active[0] = 1;
    for (let at = 0; at < text.length; at++) {
      const isDelimiter = DELIMITERS.has(plain.charCodeAt(at));
      if (!advance(steps, { active, next, code: text.charCodeAt(at), isDelimiter })) return false;
      [active, next] = [next, active];
    }
    return active[steps.length] === 1;
  };
}

function hasDotSegment(text: string): boolean {
  const segments = text.replaceAll(HIDDEN_SLASH, "/").replaceAll(HIDDEN_DOT, ".").split(SEGMENT_ENDS);
  return segments.some((segment) => segment === "." || segment === "..");
}

/** Takes one character; whether any way is left. */
function advance(
  steps: readonly Step[],
  { active, next, code, isDelimiter }: {
    active: Uint8Array;
    next: Uint8Array;
    code: number;
    isDelimiter: boolean;
  },
): boolean {
  next.fill(0);
  let alive = false;
  for (let i = 0; i < steps.length; i++) {
    const step = steps[i]!;
    // A wildcard takes its first character from the state before it, and every further one from its own.
    const isReached = active[i] === 1 || (typeof step !== "number" && active[i + 1] === 1);
    const accepts = step === "path" || (step === "segment" ? !isDelimiter : step === code);
    if (!isReached || !accepts) continue;
    next[i + 1] = 1;
    alive = true;
  }
  return alive;
}

function parseSteps(pattern: string): Step[] {
  return [...pattern.matchAll(/\*\*|\*|[^*]/g)].map(([part]) => {
    if (part === "**") return "path";
    return part === "*" ? "segment" : part.charCodeAt(0);
  });
}
