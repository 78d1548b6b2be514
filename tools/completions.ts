import type { OptionSpec, ProgramSpec } from '../src/cli/option-spec.ts';
import { wrap } from '../src/cli/help.ts';
import { CTL, ctlWords } from '../src/cli/run-ctl.ts';

const MADE = 'Made from the option table in src/cli by tools/completions.ts. Do not edit.';
/** Of the text that zsh and fish show beside an option. */
const WIDTH = 70;

const CTL_OPTIONS = ['--control-socket', '--config'];

const working = (program: ProgramSpec): readonly OptionSpec[] =>
  program.options.filter((spec) => spec.refused === undefined);

const takesInterface = ({ name }: OptionSpec): boolean =>
  name === 'interface' || name === 'output-interface';

/** What stands before the first ";" or "(", on one line. */
function summary({ doc, noEffect }: OptionSpec): string {
  const meaning = doc.replace(/^required: /, '').split(/[;(]/)[0] as string;
  const text = noEffect === undefined ? meaning : `no effect: ${noEffect}`;
  const [line, rest] = wrap(text.trim(), WIDTH);
  return rest === undefined ? (line as string) : `${line} ...`;
}

/** For /usr/share/bash-completion/completions; needs no package of its own. */
export function renderBash(program: ProgramSpec): string {
  const specs = working(program);
  const named = (spec: OptionSpec): string[] => [
    ...(spec.letter === undefined ? [] : [`-${spec.letter}`]),
    `--${spec.name}`,
  ];
  const cases = (wanted: (spec: OptionSpec) => boolean, action: string): string => {
    const names = specs.filter(wanted).flatMap(named).join(' | ');
    return names === '' ? '' : `    ${names})\n      ${action}\n      return ;;\n`;
  };
  const choices = specs.map((spec) =>
    spec.value.kind === 'choice'
      ? cases(
          (s) => s === spec,
          `COMPREPLY=($(compgen -W '${spec.value.choices.join(' ')}' -- "$cur"))`,
        )
      : '',
  );
  const others = ({ value }: OptionSpec): boolean =>
    !['flag', 'path', 'choice'].includes(value.kind);
  return `# ${MADE}
_${program.name}() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD - 1]}
  # "--name=value" comes as three words.
  if [[ $cur == '=' ]]; then
    cur=''
  elif [[ $prev == '=' ]]; then
    prev=\${COMP_WORDS[COMP_CWORD - 2]}
  fi
  COMPREPLY=()
  case $prev in
${cases(({ value }) => value.kind === 'path', 'compopt -o filenames 2>/dev/null\n      COMPREPLY=($(compgen -f -- "$cur"))')}${choices.join('')}${cases(takesInterface, 'COMPREPLY=($(compgen -W "any $(ls /sys/class/net)" -- "$cur"))')}${cases((spec) => others(spec) && !takesInterface(spec), ':')}  esac
  if [[ \${COMP_WORDS[1]} == ${CTL} && $COMP_CWORD -gt 1 ]]; then
    COMPREPLY=($(compgen -W '${[...ctlWords(), ...CTL_OPTIONS].join(' ')}' -- "$cur"))
    return
  fi
  local words='${specs.flatMap(named).join(' ')}'
  [[ $COMP_CWORD -eq 1 ]] && words+=' ${CTL}'
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -F _${program.name} ${program.name}
`;
}

/** For a folder in \`$fpath\`. */
export function renderZsh(program: ProgramSpec): string {
  const lines = working(program).map((spec) => `  ${zshOption(spec)}`);
  const options = CTL_OPTIONS.map((name) => `'${name}:file:_files'`).join(' ');
  const ctl = `if (( CURRENT > 2 )) && [[ $words[2] == ${CTL} ]]; then
  shift words
  (( CURRENT-- ))
  _arguments ${options} '1:command:(${ctlWords().join(' ')})' '*: '
  return
fi`;
  const first = `  '1:command:(${CTL})'`;
  return `#compdef ${program.name}\n# ${MADE}\n${ctl}\n_arguments -s -S \\\n${[first, ...lines].join(' \\\n')}\n`;
}

function zshOption(spec: OptionSpec): string {
  const { letter, name, value } = spec;
  const text = summary(spec)
    .replaceAll(/[[\]:\\]/g, (c) => `\\${c}`)
    .replaceAll("'", "'\\''");
  const description = `'[${text}]${zshArgument(spec)}'`;
  const repeated = value.kind === 'list' ? '*' : '';
  const mark = value.kind === 'flag' ? ['', ''] : ['+', '='];
  if (letter === undefined) return `'${repeated}--${name}${mark[1]}'${description}`;
  const either = `-${letter}${mark[0]},--${name}${mark[1]}`;
  const before = repeated === '' ? `'(-${letter} --${name})'` : `'*'`;
  return `${before}{${either}}${description}`;
}

function zshArgument(spec: OptionSpec): string {
  const { value } = spec;
  if (value.kind === 'flag') return '';
  if (value.kind === 'path') return `:${value.argument}:_files`;
  if (value.kind === 'choice') return `:${value.argument}:(${value.choices.join(' ')})`;
  return `:${value.argument}:${takesInterface(spec) ? '_net_interfaces' : ' '}`;
}

/** For /usr/share/fish/vendor_completions.d. */
export function renderFish(program: ProgramSpec): string {
  const lines = working(program).map((spec) => {
    const letter = spec.letter === undefined ? '' : ` -s ${spec.letter}`;
    const text = summary(spec).replaceAll(/['\\]/g, (c) => `\\${c}`);
    return `complete -c ${program.name}${letter} -l ${spec.name}${fishArgument(spec)} -d '${text}'`;
  });
  const seen = `__fish_seen_subcommand_from ${CTL}`;
  const ctl = [
    `complete -c ${program.name} -n __fish_use_subcommand -a ${CTL} -d 'ask or tell a running ${program.name}'`,
    `complete -c ${program.name} -n '${seen}' -a '${ctlWords().join(' ')}'`,
  ];
  return `# ${MADE}\ncomplete -c ${program.name} -f\n${[...ctl, ...lines].join('\n')}\n`;
}

function fishArgument(spec: OptionSpec): string {
  const { value } = spec;
  if (value.kind === 'flag') return '';
  if (value.kind === 'path') return ' -r -F';
  if (value.kind === 'choice') return ` -x -a '${value.choices.join(' ')}'`;
  return takesInterface(spec) ? " -x -a 'any (ls /sys/class/net)'" : ' -x';
}
