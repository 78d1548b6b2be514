import { optionSyntax, type OptionSpec, type ProgramSpec } from './option-spec.ts';

const WIDTH = 100;
/** Column where the text of an option starts. */
const TEXT_COLUMN = 34;

/** The three commands of the usual set-up, one per host. */
const EXAMPLE = `\
Example with three hosts:
  assistant server  intercept -i eth0 -F 'tcp and src port 80' -d
  target server     ip route add 198.51.100.0/24 via 192.0.2.30
  online server     tcpcopy -x 80-192.0.2.20:80 -s 192.0.2.30 -c 198.51.100.x -d
Clients use port 80 of the online server; 192.0.2.20 is the target server, 192.0.2.30 the assistant
server, and the copies come from addresses in 198.51.100.0/24, which no host uses.`;

/** The text of `-h`, at most 100 columns wide, with a newline at the end. */
export function helpText(program: ProgramSpec): string {
  const sections = program.groups.map((group) => {
    const options = program.options.filter((spec) => spec.group === group);
    return `${group}:\n${options.map(optionText).join('\n')}`;
  });
  return [
    program.summary,
    `Usage: ${program.usage}`,
    EXAMPLE,
    ...sections,
    'An option marked "no effect" is accepted with a warning, for the sake of command lines of the\n' +
      'original; one marked "refused" ends the start with a message.',
    `"${program.name} ctl help" tells what may be asked of a running ${program.name}, and changed while it runs.`,
    'Exit status: 0 ended in order; 1 failed; 2 bad usage; 69 intercept unavailable; 71 system error;\n' +
      '77 no permission; 78 does not fit this machine.',
    '',
  ]
    .join('\n\n')
    .replace(/\n+$/, '\n');
}

/** "default: 1500", "default: all"; empty when there is none. */
export const defaultText = (spec: OptionSpec): string => {
  const text = spec.defaultNote ?? spec.default;
  return text === undefined ? '' : `default: ${text}`;
};

/** "no effect: …" or "refused: …", with the reason; empty for an option that works. */
export function remarkText({ noEffect, refused }: OptionSpec): string {
  if (noEffect !== undefined) return `no effect: ${noEffect}`;
  return refused === undefined ? '' : `refused: ${refused}`;
}

function optionText(spec: OptionSpec): string {
  const notes = [defaultText(spec), remarkText(spec)].filter(Boolean);
  const doc = notes.length === 0 ? spec.doc : `${spec.doc} (${notes.join('; ')})`;
  const syntax = `  ${optionSyntax(spec)}`;
  const lines = wrap(doc, WIDTH - TEXT_COLUMN).map((line) => ' '.repeat(TEXT_COLUMN) + line);
  if (syntax.length + 2 > TEXT_COLUMN) return [syntax, ...lines].join('\n');
  return syntax + lines.join('\n').slice(syntax.length);
}

/** Lines of at most `width` characters, broken at blanks; a longer word has a line of its own. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  lines.push(line);
  return lines;
}
