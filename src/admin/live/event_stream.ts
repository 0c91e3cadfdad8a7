/** The media type of server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html). */
export const EVENT_STREAM_TYPE = "text/event-stream";

/** How long a browser waits before it connects again, in milliseconds. */
const RETRY_MS = 2000;

const encoder = new TextEncoder();

/** What shows that a stream still works. Viewers ignore it. */
export const STREAM_COMMENT: Uint8Array = encoder.encode(":\n\n");

/** The bytes of an event; `json` is one line. */
export function formatEvent(name: string, json: string): Uint8Array {
  return encoder.encode(`retry: ${RETRY_MS}\nevent: ${name}\ndata: ${json}\n\n`);
}
