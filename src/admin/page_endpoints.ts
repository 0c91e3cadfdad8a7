import type { Handle } from "./call.ts";
import type { Endpoint } from "./endpoints.ts";
import { PAGE_ASSETS } from "./page/assets.ts";

/**
 * Nothing but the files of this listener, no scripts or styles within the page, no other origin, and no way for a text to
 * become markup.
 */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join("; ");

/** The live page and its files. */
export const PAGE_ENDPOINTS: readonly Endpoint<Handle>[] = [...PAGE_ASSETS].map(
  ([pattern, { type, text }]) => {
    const headers = {
      "Content-Type": type,
      "Content-Security-Policy": POLICY,
      "Referrer-Policy": "no-referrer",
    };
    return { method: "GET", pattern, run: () => ({ status: 200, headers, body: text }) };
  },
);
