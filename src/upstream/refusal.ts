/** How often the event loop is polled before a connection is refused for lack of capacity. Each poll takes 1 or 2 ms. */
export const REFUSAL_POLLS = 10;

/** How many connections may wait in such polls at once; more are refused at once. */
export const MAX_REFUSALS_PENDING = 64;
