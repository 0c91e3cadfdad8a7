/** Where a value stands in a document: keys of mappings and indexes of lists, from the outside in. */
export type Path = readonly (string | number)[];

/** The longest key that is written out in full. */
const MAX_KEY = 40;

/** `services[0].listen[1]`. A key that is no plain word is quoted: `upstreams["my db"].balance`. */
export function formatPath(path: Path): string {
  let text = "";
  for (const step of path) {
    if (typeof step === "number") text += `[${step}]`;
    else if (!/^[\w-]+$/.test(step) || step.length > MAX_KEY) text += `[${JSON.stringify(shortenKey(step))}]`;
    else text += text === "" ? step : `.${step}`;
  }
  return text;
}

function shortenKey(key: string): string {
  return key.length > MAX_KEY ? `${key.slice(0, MAX_KEY - 1)}…` : key;
}
