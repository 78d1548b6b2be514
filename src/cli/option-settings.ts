import { UsageError } from './exit-codes.ts';
import { nearest } from './nearest.ts';
import type { OptionSpec, ProgramSpec } from './option-spec.ts';

/** What the command line, the environment or a configuration file says of one option. */
export interface OptionSetting {
  /** As typed, in order; none for a flag that is switched off. */
  readonly texts: readonly string[];
  /** How messages call it: `-n`, `TCPCOPY_COPIES`, `copies in "/etc/tcpcopy.toml"`. */
  readonly label: string;
}

/** By the long name of the option. */
export type OptionSettings = ReadonlyMap<string, OptionSetting>;

export type Environment = Readonly<Record<string, string | undefined>>;

/** The settings that hold, when of each option the first of `layers` that names it counts; a flag that is switched off has no texts. */
export function mergeSettings(layers: readonly OptionSettings[]): Map<string, OptionSetting> {
  return new Map(layers.toReversed().flatMap((layer) => [...layer]));
}

/** `TCPCOPY_LOG_LEVEL` for the option `log-level` of tcpcopy. */
export const variableName = (program: ProgramSpec, spec: OptionSpec): string =>
  `${program.name}_${spec.name}`.toUpperCase().replaceAll('-', '_');

/** What Kubernetes puts into the environment of every container when a service is called like the program. */
const SERVICE_LINK = /^(SERVICE_(HOST|PORT.*)|PORT_\d+_.*)$/;
const SERVICE_LINK_PORT = /^(tcp|udp|sctp):\/\//;

const ON: ReadonlySet<string> = new Set(['1', 'true', 'yes', 'on']);
const OFF: ReadonlySet<string> = new Set(['0', 'false', 'no', 'off']);

/**
 * The options that variables of the environment name. An empty variable counts as not set. Variables of the program's prefix
 * that no option has are told in `warnings`.
 * @throws UsageError for a flag whose variable is neither true nor false.
 */
export function environmentSettings(
  program: ProgramSpec,
  environment: Environment,
): { readonly settings: OptionSettings; readonly warnings: readonly string[] } {
  const prefix = `${program.name.toUpperCase()}_`;
  const specs = new Map(program.options.map((spec) => [variableName(program, spec), spec]));
  const settings = new Map<string, OptionSetting>();
  const warnings: string[] = [];
  for (const [label, text] of Object.entries(environment)) {
    if (!label.startsWith(prefix) || text === undefined || text === '') continue;
    if (isServiceLink(label.slice(prefix.length), text)) continue;
    const spec = specs.get(label);
    if (spec === undefined) warnings.push(unknown(label, [...specs.keys()]));
    else if (spec.commandLineOnly) warnings.push(misplaced(label, spec));
    else settings.set(spec.name, { label, texts: variableTexts(spec, label, text) });
  }
  return { settings, warnings };
}

const isServiceLink = (name: string, text: string): boolean =>
  SERVICE_LINK.test(name) || (name === 'PORT' && SERVICE_LINK_PORT.test(text));

function variableTexts(spec: OptionSpec, label: string, text: string): string[] {
  if (spec.value.kind !== 'flag') return [text];
  const word = text.toLowerCase();
  if (!ON.has(word) && !OFF.has(word)) {
    throw new UsageError(
      `Cannot use ${label} "${text}": expected true or false`,
      'It stands in the environment. yes and no, on and off, 1 and 0 are understood too.',
    );
  }
  return ON.has(word) ? [''] : [];
}

const misplaced = (label: string, spec: OptionSpec): string =>
  `The environment has ${label}, which is left out: --${spec.name} belongs on the command line`;

function unknown(label: string, names: readonly string[]): string {
  const close = nearest(label, names);
  const hint = close === undefined ? '' : `: is ${close} meant?`;
  return `The environment has ${label}, which names no option${hint}`;
}
