const SLASH = 47;

/** A step of a pattern: one certain character, or a wildcard. */
type Step = number | "segment" | "path";

/**
 * Makes a test of a pattern in which `*` stands for one or more characters without `/`, and `**` for one or
 * more of any kind. Everything else, `?` and `[` too, stands for itself.
 *
 * All ways to match are followed at the same time (Thompson, "Regular Expression Search Algorithm", 1968), so
 * no text can make it slow: the time is the length of the text times that of the pattern.
 */
export function compileUriPattern(pattern: string): (text: string) => boolean {
  const steps = parseSteps(pattern);
  return (text) => {
    // `active[i]`: the text so far is matched by the first `i` steps.
    let active = new Uint8Array(steps.length + 1);
    let next = new Uint8Array(steps.length + 1);
    active[0] = 1;
    for (let at = 0; at < text.length; at++) {
      if (!advance(steps, { active, next, code: text.charCodeAt(at) })) return false;
      [active, next] = [next, active];
    }
    return active[steps.length] === 1;
  };
}

/** Takes one character; whether any way is left. */
function advance(
  steps: readonly Step[],
  { active, next, code }: { active: Uint8Array; next: Uint8Array; code: number },
): boolean {
  next.fill(0);
  let alive = false;
  for (let i = 0; i < steps.length; i++) {
    const step = steps[i]!;
    // A wildcard takes its first character from the state before it, and every further one from its own.
    const isReached = active[i] === 1 || (typeof step !== "number" && active[i + 1] === 1);
    if (!isReached || !accepts(step, code)) continue;
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

function accepts(step: Step, code: number): boolean {
  return step === "path" || (step === "segment" ? code !== SLASH : step === code);
}
