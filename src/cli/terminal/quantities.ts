// Numbers and times as people read them at a terminal.

const UNITS = ["", "K", "M", "G", "T", "P"];

/** A size with three digits: `512`, `1.5K`, `23M`. */
export function shortSize(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  if (unit === 0) return String(Math.round(value));
  return `${value < 9.95 ? value.toFixed(1) : Math.round(value)}${UNITS[unit]}`;
}

/** A rate per second: `0`, `0.4`, `12`, `1.5K`. */
export function shortRate(perSecond: number): string {
  if (perSecond > 0 && perSecond < 9.95) return perSecond.toFixed(1);
  return perSecond < 1000 ? String(Math.round(perSecond)) : shortSize(perSecond);
}

/** How late something was, in milliseconds: `0ms`, `0.4ms`, `12ms`, `1500ms`. */
export function shortDelay(ms: number): string {
  return `${ms > 0 && ms < 9.95 ? ms.toFixed(1) : Math.round(ms)}ms`;
}

/** A duration by its two largest units: `12s`, `3m05s`, `2h07m`, `5d03h`. */
export function shortDuration(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const two = (value: number) => String(value).padStart(2, "0");
  if (seconds < 60) return `${seconds}s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m${two(seconds % 60)}s`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)}h${two(Math.floor(seconds / 60) % 60)}m`;
  return `${Math.floor(seconds / 86_400)}d${two(Math.floor(seconds / 3600) % 24)}h`;
}
