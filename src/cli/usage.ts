import { COMMANDS, type CommandSpec, COMMON_OPTIONS, type OptionSpec } from "./commands.ts";

const EXIT_CODES = `Exit codes: 0 stopped after a full drain; 1 failed, or connections were cut; 64 bad usage;
77 a permission is missing; 78 bad configuration.`;

/** What `--help` prints: of a command, or of the program. */
export function usage(command?: CommandSpec): string {
  return command === undefined ? programUsage() : commandUsage(command);
}

function programUsage(): string {
  const lines = COMMANDS.map(({ name, usage, summary }) => [`culvert ${name} ${usage}`.trimEnd(), summary]);
  return `Culvert, a secure proxy for TCP and HTTP.

${table(lines)}

${
    table([["culvert COMMAND --help", "print the options of a command"], [
      "culvert --version",
      "print the version",
    ]])
  }

${EXIT_CODES}
`;
}

function commandUsage({ name, usage, summary, notes, options }: CommandSpec): string {
  const rows = [...options, ...COMMON_OPTIONS].map((option) => [formOf(option), option.text]);
  return `culvert ${name} ${usage}`.trimEnd() + `

${summary.charAt(0).toUpperCase()}${summary.slice(1)}.

${table(rows)}
${notes === undefined ? "" : `\n${notes}\n`}`;
}

function formOf({ name, short, value }: OptionSpec): string {
  return `--${name}${value === undefined ? "" : ` ${value}`}${short === undefined ? "" : `, -${short}`}`;
}

/** Two columns, indented; a long first one has a line of its own. */
function table(rows: readonly (readonly string[])[]): string {
  const width = Math.min(34, Math.max(...rows.map(([first = ""]) => first.length)));
  return rows.map(([first = "", second = ""]) => {
    const gap = first.length > width ? `\n${" ".repeat(width + 4)}` : " ".repeat(width - first.length + 2);
    return `  ${first}${gap}${second}`;
  }).join("\n");
}
