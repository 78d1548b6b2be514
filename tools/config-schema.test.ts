import fc from 'fast-check';
import { stringify } from 'smol-toml';
import { describe, expect, it } from 'vitest';
import { readSettings } from '../src/cli/config-file.ts';
import { UsageError } from '../src/cli/exit-codes.ts';
import type { OptionSpec } from '../src/cli/option-spec.ts';
import { OptionValues } from '../src/cli/option-values.ts';
import { INTERCEPT } from '../src/cli/options-intercept.ts';
import { TCPCOPY } from '../src/cli/options-tcpcopy.ts';
import { configSchema, type ValueSchema } from './config-schema.ts';

/** What a validator does, for the words that the schema uses. */
function fits(schema: ValueSchema, value: unknown): boolean {
  if (schema.anyOf) return schema.anyOf.some((one) => fits(one, value));
  if (schema.enum && !schema.enum.includes(value as string)) return false;
  switch (schema.type) {
    case 'array':
      return (
        Array.isArray(value) &&
        value.length >= (schema.minItems ?? 0) &&
        value.every((item) => fits(schema.items ?? {}, item))
      );
    case 'string':
      return typeof value === 'string' && value.length >= (schema.minLength ?? 0);
    case 'integer':
    case 'number': {
      const { minimum = -Infinity, maximum = Infinity } = schema;
      if (typeof value !== 'number' || value < minimum || value > maximum) return false;
      return schema.type === 'number' || Number.isInteger(value);
    }
    default:
      return typeof value === schema.type;
  }
}

/** Values of all kinds, some of them right at the bounds of the option. */
function valuesFor({ value }: OptionSpec): fc.Arbitrary<unknown> {
  const edges =
    value.kind === 'integer' ? [value.min - 1, value.min, value.max, value.max + 1] : [0, 100, 101];
  const words = value.kind === 'choice' ? value.choices : ['any'];
  return fc.oneof(
    fc.constantFrom(...edges, ...words, '', true, false),
    fc.integer({ min: 0, max: 1000 }).map((n) => n / 100),
    fc.array(fc.constantFrom('a', '', 7), { maxLength: 3 }),
  );
}

describe.each([TCPCOPY, INTERCEPT])('the schema of the configuration of $name', (program) => {
  const schema = configSchema(program);

  it('takes the very values that the program takes', () => {
    let taken = 0;
    for (const spec of program.options) {
      const property = schema.properties[spec.name];
      if (property === undefined) continue;
      fc.assert(
        fc.property(valuesFor(spec), (value) => {
          const accepted = accepts(spec.name, value);
          expect(fits(property, value), `${spec.name} = ${JSON.stringify(value)}`).toBe(accepted);
          taken += accepted ? 1 : 0;
        }),
        { numRuns: 40 },
      );
    }
    expect(taken).toBeGreaterThan(program.options.length);
  });

  it('has all options that a file may set, and no other key', () => {
    expect(schema.additionalProperties).toBe(false);
    const settable = program.options.filter(
      (s) => !s.commandLineOnly && s.refused === undefined && s.name !== 'config',
    );
    expect(Object.keys(schema.properties)).toEqual(settable.map((s) => s.name));
    expect(() => readSettings(program, 'x.toml', 'config = "y.toml"')).toThrow(UsageError);
  });

  function accepts(name: string, value: unknown): boolean {
    try {
      const settings = readSettings(program, 'x.toml', stringify({ [name]: value }));
      const values = new OptionValues(program, settings, []);
      return values !== undefined;
    } catch (error) {
      if (error instanceof UsageError) return false;
      throw error;
    }
  }
});
