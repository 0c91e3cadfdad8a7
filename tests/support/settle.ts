/** Lets everything that is ready happen: one turn of the event loop, with all its microtasks. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

/** Lets so many microtasks pass and nothing else, to come between two steps of something under way. */
export async function microtasks(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await undefined;
}
