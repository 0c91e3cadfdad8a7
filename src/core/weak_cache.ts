/** Values by key, each for as long as something else refers to it. */
export class WeakCache<T extends object> {
  readonly #byKey = new Map<string, WeakRef<T>>();
  readonly #collected = new FinalizationRegistry<string>((key) => {
    if (this.get(key) === undefined) this.#byKey.delete(key);
  });

  /** The value that is in use under this key, if any. */
  get(key: string): T | undefined {
    return this.#byKey.get(key)?.deref();
  }

  /** Makes `value` known under `key`. Returns it. */
  set(key: string, value: T): T {
    this.#byKey.set(key, new WeakRef(value));
    this.#collected.register(value, key);
    return value;
  }
}
