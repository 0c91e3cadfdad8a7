const number = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const UNITS = ["B", "kB", "MB", "GB", "TB", "PB"];
const DAY = 86_400;

/** A count: `12,345`. */
export function formatCount(value: number): string {
  return number.format(value);
}

/** A number of bytes in at most four characters and its unit: `1.2 MB`. */
export function formatBytes(bytes: number): string {
  let unit = 0;
  let value = bytes;
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000;
    unit++;
  }
  const digits = unit === 0 || value >= 99.95 ? 0 : 1;
  return `${value.toFixed(digits)} ${UNITS[unit]}`;
}

/** A rate: `0.4`, `12`, `1.2k`. */
export function formatRate(value: number): string {
  if (value === 0) return "0";
  if (value < 0.05) return "<0.1";
  if (value < 9.95) return value.toFixed(1);
  if (value < 9999.5) return number.format(value);
  return value < 999_500
    ? `${(value / 1000).toFixed(value < 99_500 ? 1 : 0)}k`
    : `${(value / 1e6).toFixed(1)}M`;
}

/** Milliseconds: `0.4 ms`, `12 ms`, `1.2 s`. */
export function formatMs(ms: number): string {
  if (ms >= 999.5) return `${(ms / 1000).toFixed(ms < 9950 ? 1 : 0)} s`;
  return `${ms < 9.95 ? ms.toFixed(1) : Math.round(ms)} ms`;
}

/** A duration in its two largest units: `4 s`, `2 min 10 s`, `3 h 5 min`, `12 d 4 h`. */
export function formatDuration(seconds: number): string {
  const total = Math.max(0, Math.floor(seconds));
  if (total < 60) return `${total} s`;
  if (total < 3600) return join(Math.floor(total / 60), "min", total % 60, "s");
  if (total < DAY) return join(Math.floor(total / 3600), "h", Math.floor(total / 60) % 60, "min");
  return join(Math.floor(total / DAY), "d", Math.floor(total / 3600) % 24, "h");
}

/** `1 backend`, `2 backends`. */
export function plural(count: number, noun: string): string {
  return `${formatCount(count)} ${noun}${count === 1 ? "" : "s"}`;
}

/** The time of day, with the date if it is another day. */
export function formatTime(ms: number, nowMs = Date.now()): string {
  const time = new Date(ms);
  const clock = time.toLocaleTimeString("en-GB");
  const isToday = new Date(nowMs).toDateString() === time.toDateString();
  return isToday ? clock : `${isoDate(time)} ${clock}`;
}

/** `2026-11-29`. */
export function isoDate(time: Date): string {
  const part = (value: number) => String(value).padStart(2, "0");
  return `${time.getFullYear()}-${part(time.getMonth() + 1)}-${part(time.getDate())}`;
}

function join(large: number, largeUnit: string, small: number, smallUnit: string): string {
  return small === 0 ? `${large} ${largeUnit}` : `${large} ${largeUnit} ${small} ${smallUnit}`;
}
