/** Where `.ci/install/pkits` puts what it fetches. */
const CACHE = Deno.uid() === 0 ? "/var/cache" : `${Deno.env.get("HOME")}/.cache`;
const VECTORS = `${CACHE}/culvert-tests/cryptography-vectors-50.0.2`;

/** A test that needs a folder of test vectors. Where it is not there the test is skipped, and its name says why. */
export function testWithVectors(path: string, name: string, fn: (folder: string) => Promise<void>): void {
  const folder = `${VECTORS}/${path}`;
  const ignore = !isFolder(folder);
  const why = ignore ? ` (skipped: ${folder} is not there, see .ci/install)` : "";
  Deno.test({ name: name + why, ignore, fn: () => fn(folder) });
}

function isFolder(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch {
    return false;
  }
}
