let second = -1;
let text = "";

/** The time as Date has it (RFC 9110 section 5.6.7), made once a second. */
export function httpDate(nowMs: number = Date.now()): string {
  const now = Math.floor(nowMs / 1000);
  if (now !== second) {
    second = now;
    text = new Date(now * 1000).toUTCString();
  }
  return text;
}
