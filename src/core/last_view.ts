/**
 * A part of an array as an array of its own. The one that was made last is returned again where it is the same part:
 * connections that carry messages of the same sizes read and write in the same places, and to make a view takes as long
 * as to parse a field.
 */
export class LastView {
  #of: Uint8Array | undefined;
  #start = 0;
  #view: Uint8Array | undefined;

  /** As `bytes.subarray(start, end)`. */
  take(bytes: Uint8Array, start: number, end: number): Uint8Array {
    const view = this.#view;
    if (view !== undefined && bytes === this.#of && start === this.#start && view.length === end - start) {
      return view;
    }
    this.#of = bytes;
    this.#start = start;
    return this.#view = bytes.subarray(start, end);
  }

  /** The array goes to another owner. */
  clear(): void {
    this.#of = this.#view = undefined;
  }
}
