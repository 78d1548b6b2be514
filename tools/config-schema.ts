import { defaultText, remarkText } from '../src/cli/help.ts';
import type { OptionSpec, OptionValue, ProgramSpec } from '../src/cli/option-spec.ts';

/** What the schema says of a value, in the few words of JSON Schema that are needed. */
export interface ValueSchema {
  readonly type?: 'string' | 'integer' | 'number' | 'boolean' | 'array';
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly minItems?: number;
  readonly items?: ValueSchema;
  readonly enum?: readonly string[];
  readonly anyOf?: readonly ValueSchema[];
}

export interface ConfigSchema {
  readonly properties: Readonly<Record<string, ValueSchema & { readonly description: string }>>;
  readonly additionalProperties: false;
}

/** The JSON Schema of the program's configuration file, which editors use for TOML too. */
export function configSchema(program: ProgramSpec): ConfigSchema {
  const specs = program.options.filter(
    (spec) => !spec.commandLineOnly && spec.name !== 'config' && spec.refused === undefined,
  );
  const head = {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: `Configuration file of ${program.name}`,
    type: 'object',
  };
  const properties = specs.map((spec) => [spec.name, propertyOf(spec)] as const);
  return { ...head, properties: Object.fromEntries(properties), additionalProperties: false };
}

function propertyOf(spec: OptionSpec): ValueSchema & { readonly description: string } {
  const notes = [defaultText(spec), remarkText(spec)].filter(Boolean).join('; ');
  const description = notes === '' ? spec.doc : `${spec.doc} (${notes})`;
  return { description, ...valueSchema(spec.value) };
}

const TEXT: ValueSchema = { type: 'string', minLength: 1 };

function valueSchema(value: OptionValue): ValueSchema {
  switch (value.kind) {
    case 'flag':
      return { type: 'boolean' };
    case 'integer':
      // Out of range is brought into it, with a warning.
      if (value.clamped) return { type: 'integer' };
      return { type: 'integer', minimum: value.min, maximum: value.max };
    case 'decimal':
      return { type: 'number', minimum: value.min, maximum: value.max };
    case 'percentage':
      return { type: 'number', minimum: 0, maximum: 100 };
    case 'choice':
      return { type: 'string', enum: value.choices };
    case 'list':
      return { anyOf: [TEXT, { type: 'array', minItems: 1, items: TEXT }] };
    default:
      return TEXT;
  }
}
