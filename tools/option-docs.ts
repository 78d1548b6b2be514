import { defaultText, remarkText } from '../src/cli/help.ts';
import { optionSyntax, type OptionSpec, type ProgramSpec } from '../src/cli/option-spec.ts';
import { INTERCEPT } from '../src/cli/options-intercept.ts';
import { TCPCOPY } from '../src/cli/options-tcpcopy.ts';

const HEAD = `\
<!-- Made from the option table in src/cli by tools/option-docs.ts. Do not edit; to make it anew:
     npx vitest run --project unit tools/option-docs.test.ts -u -->

# Options

All options of \`tcpcopy\` and \`intercept\`, the text of \`-h\` as tables.

- Options are read as getopt does: \`-n 1\`, \`-n1\`, \`-dWO\`, \`--copies 1\` and \`--copies=1\` all work.
- A list given several times is joined; of other options the last one holds.
- What the command line leaves open is taken from a variable of the environment, as \`TCPCOPY_LOG_LEVEL\` or
  \`INTERCEPT_BIND\`, and then from the file of \`--config\`: [operating.md](operating.md#where-options-come-from).
- One marked *no effect* is accepted for the sake of command lines of the original, and the start says that it changes
  nothing, and why. One marked *refused* ends the start with a message and exit status 2. None is silently ignored.
- [compatibility.md](compatibility.md) says what differs from the original.
`;

/** The text of docs/options.md. */
export const renderOptionDocs = (): string =>
  [HEAD, renderProgram(TCPCOPY), renderProgram(INTERCEPT)].join('\n');

function renderProgram(program: ProgramSpec): string {
  const groups = program.groups.map((group) => {
    const rows = program.options.filter((spec) => spec.group === group).map(renderRow);
    return `### ${group}\n\n| Option | Meaning | Default |\n|---|---|---|\n${rows.join('\n')}\n`;
  });
  return `## ${program.name}\n\n${program.summary}\n\n    ${program.usage}\n\n${groups.join('\n')}`;
}

function renderRow(spec: OptionSpec): string {
  const remark = remarkText(spec).replace(/^[^:]+/, '*$&*');
  const meaning = remark === '' ? spec.doc : `${spec.doc}; ${remark}`;
  const cells = [
    `\`${optionSyntax(spec).trim()}\``,
    meaning,
    defaultText(spec).replace('default: ', ''),
  ];
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
}
