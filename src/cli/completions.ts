import { COMMANDS, type CommandSpec, COMMON_OPTIONS, type OptionSpec } from "./commands.ts";

/** The shells that completions are written for. */
export const SHELLS = ["bash", "zsh", "fish"] as const;
/** One of {@linkcode SHELLS}. */
export type Shell = typeof SHELLS[number];

/** A script that completes the commands, options and words of `culvert`, for this shell. */
export function completions(shell: Shell): string {
  switch (shell) {
    case "bash":
      return bash();
    case "zsh":
      return zsh();
    case "fish":
      return fish();
  }
}

function optionsOf({ options }: CommandSpec): readonly OptionSpec[] {
  return [...options, ...COMMON_OPTIONS];
}

function namesOf(option: OptionSpec): string[] {
  return [`--${option.name}`, ...(option.short === undefined ? [] : [`-${option.short}`])];
}

function bash(): string {
  const cases = COMMANDS.map((command) => {
    const words = [...command.operands?.words ?? [], ...optionsOf(command).map(({ name }) => `--${name}`)];
    return `    ${command.name}) words="${words.join(" ")}" ;;`;
  });
  const all = COMMANDS.flatMap(({ options }) => options);
  const files = unique(all.filter(({ isFile }) => isFile).flatMap(namesOf));
  const values = unique(all.filter(({ value, isFile }) => value !== undefined && !isFile).flatMap(namesOf));
  return `# bash completion of culvert. Load it with: source <(culvert completions bash)
_culvert() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD - 1]} words
  case $previous in
    ${files.join(" | ")}) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$current"); return ;;
    ${values.join(" | ")}) return ;;
  esac
  case \${COMP_WORDS[1]} in
${cases.join("\n")}
    *) words="" ;;
  esac
  if [[ $COMP_CWORD -eq 1 ]]; then words="${
    COMMANDS.map(({ name }) => name).join(" ")
  } --config --help --version"; fi
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
  if [[ \${#COMPREPLY[@]} -eq 0 && $current != -* ]]; then
    compopt -o filenames
    mapfile -t COMPREPLY < <(compgen -f -- "$current")
  fi
}
complete -F _culvert culvert
`;
}

function zsh(): string {
  const commands = COMMANDS.map(({ name, summary }) => `    ${quote(`${name}:${escapeColon(summary)}`)}`);
  const cases = COMMANDS.map((command) => {
    const specs = optionsOf(command).map((option) => `        ${quote(zshOption(option))}`);
    const { words } = command.operands ?? {};
    const rest = words === undefined ? "*:file:_files" : `1:kind:(${words.join(" ")})`;
    return `      ${command.name}) _arguments \\\n${specs.join(" \\\n")} \\\n        ${quote(rest)} ;;`;
  });
  return `#compdef culvert
# zsh completion of culvert. Put it into a folder of $fpath as _culvert, or load it with:
#   source <(culvert completions zsh)
_culvert() {
  local -a commands=(
${commands.join("\n")}
  )
  if (( CURRENT == 2 )); then
    _describe command commands
    _arguments '--config[the configuration]:file:_files' '--help[print the help]' '--version[print the version]'
  else
    local command=$words[2]
    shift words
    (( CURRENT-- ))
    case $command in
${cases.join("\n")}
    esac
  fi
}
compdef _culvert culvert
`;
}

function zshOption({ name, value, isFile, text }: OptionSpec): string {
  const argument = value === undefined ? "" : isFile ? `:${value}:_files` : `:${value}: `;
  return `--${name}[${text.replaceAll(/[[\]]/g, "")}]${argument}`;
}

function fish(): string {
  const lines = COMMANDS.flatMap((command) => {
    const inside = `-n "__fish_seen_subcommand_from ${command.name}"`;
    const words = command.operands?.words;
    return [
      `complete -c culvert -n __fish_use_subcommand -f -a ${command.name} -d ${quote(command.summary)}`,
      ...(words === undefined ? [] : [`complete -c culvert ${inside} -f -a ${quote(words.join(" "))}`]),
      ...optionsOf(command).map(({ name, short, value, isFile = false, text }) =>
        [
          `complete -c culvert ${inside} -l ${name}`,
          ...(short === undefined ? [] : [`-s ${short}`]),
          ...(value === undefined ? [] : [isFile ? "-r -F" : "-x"]),
          `-d ${quote(text)}`,
        ].join(" ")
      ),
    ];
  });
  return `# fish completion of culvert. Load it with: culvert completions fish | source
${lines.join("\n")}
`;
}

function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

function escapeColon(text: string): string {
  return text.replaceAll(":", "\\:");
}

function unique(values: readonly string[]): string[] {
  return [...new Set(values)];
}
