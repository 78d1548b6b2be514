import { networkInterfaces } from 'node:os';
import { parseAddress, type IpAddress } from '../wire/address.ts';
import { helpText } from './help.ts';
import type { ProgramSpec } from './option-spec.ts';
import { parseArguments, type OptionValues, type ReadContext } from './option-values.ts';
import { versionLine } from './version.ts';

/**
 * The options of this start; undefined when they asked for help or the version, which is then printed on stdout.
 * @param argv the arguments after the program's name
 * @param context how options are read again, while the program runs
 * @throws UsageError, StartError
 */
export function readCommandLine(
  program: ProgramSpec,
  argv: readonly string[],
  context: ReadContext = {},
): OptionValues | undefined {
  const parsed = parseArguments(program, argv, process.env, context);
  if (parsed.kind === 'start') return parsed.values;
  const text = parsed.kind === 'help' ? helpText(program) : `${versionLine(program.name)}\n`;
  process.stdout.write(text);
  return undefined;
}

/** The addresses that the interfaces of this host have now. */
export function localAddresses(): readonly IpAddress[] {
  return Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .map(({ address }) => parseAddress(address))
    .filter((address) => address !== undefined);
}
