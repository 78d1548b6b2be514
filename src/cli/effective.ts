import { stringify } from 'smol-toml';
import { defaultText } from './help.ts';
import type { OptionSpec, ProgramSpec } from './option-spec.ts';
import type { OptionValues } from './option-values.ts';

/** Column where the comment with the source of a value starts, at the least. */
const COMMENT_COLUMN = 44;

/**
 * What `--check` prints: the options that hold, as a file for `--config`, each with its source behind it. What follows from
 * something else stands in a comment.
 */
export function describeEffective(program: ProgramSpec, values: OptionValues): string {
  const sections = program.groups.flatMap((group) => {
    const lines = program.options
      .filter((spec) => spec.group === group && !spec.commandLineOnly && spec.refused === undefined)
      .flatMap((spec) => describeOption(spec, values));
    return lines.length === 0 ? [] : [`# ${group}\n${lines.join('\n')}\n`];
  });
  return sections.join('\n');
}

function describeOption(spec: OptionSpec, values: OptionValues): string[] {
  const value = valueOf(spec, values);
  if (value === undefined) {
    return spec.defaultNote === undefined ? [] : [`# ${spec.name}: ${defaultText(spec)}`];
  }
  const line = stringify({ [spec.name]: value }).trimEnd();
  // A file cannot name the file to read.
  const isComment = spec.name === 'config' ? '# ' : '';
  const source = values.source(spec.name) ?? 'default';
  const remark = spec.noEffect === undefined ? '' : ', no effect';
  return [`${isComment}${line}`.padEnd(COMMENT_COLUMN) + ` # ${source}${remark}`];
}

function valueOf(
  spec: OptionSpec,
  values: OptionValues,
): string | number | boolean | string[] | undefined {
  if (spec.value.kind === 'flag') {
    if (values.isOff(spec.name)) return false;
    return values.has(spec.name) ? true : undefined;
  }
  const text = values.text(spec.name);
  if (text === undefined) return undefined;
  switch (spec.value.kind) {
    case 'integer':
      return values.integer(spec.name);
    case 'decimal':
    case 'percentage':
      return Number(text);
    case 'list':
      return text.split(',').map((item) => item.trim());
    default:
      return text;
  }
}
