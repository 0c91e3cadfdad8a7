import { Python } from "./python.ts";
import { within } from "./wait.ts";

/** Runs a program at a terminal of its own and says what it wrote; it ends at once when that has `/stop/` in it. */
const DRIVER = `
import os, pty, select, subprocess, time
stop, command = sys.argv[1].encode(), sys.argv[2:]
ours, theirs = pty.openpty()
child = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
os.close(theirs)
output, end = b"", time.monotonic() + 60
while time.monotonic() < end and stop not in output:
    if not select.select([ours], [], [], 1)[0]: continue
    try: piece = os.read(ours, 65536)
    except OSError: break
    if not piece: break
    output += piece
child.kill()
child.wait()
say(output.hex())
`;

/**
 * What a program writes that runs at a terminal without any input. It is ended when it writes `stop`, or
 * after a minute. Needs `python3`.
 */
export async function runAtTerminal(command: readonly string[], stop: string): Promise<string> {
  await using python = new Python(DRIVER, stop, ...command);
  const hex = await within(python.hear(), { what: "the program to end", timeoutMs: 90_000 });
  // deno-lint-ignore no-control-regex
  return new TextDecoder().decode(Uint8Array.fromHex(hex)).replaceAll(/\x1b\[[0-9;?]*[A-Za-z]/g, "");
}
