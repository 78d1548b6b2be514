import type { OptionSpec } from './option-spec.ts';

/** The options for copying from capture files, shown under `group`. */
export const fileOptions = (group: string): readonly OptionSpec[] => [
  {
    name: 'read',
    value: { kind: 'list', argument: 'files' },
    group,
    doc: 'copy from these capture files instead of live traffic, separated by commas, several by the times of their packets: pcap or pcapng, also as .gz; "-" is standard input',
  },
  {
    name: 'offline',
    value: { kind: 'flag' },
    group,
    doc: '-i names capture files, as in the offline build of the original',
  },
  {
    letter: 'a',
    name: 'speed',
    value: { kind: 'text', argument: 'factor' },
    default: '1',
    group,
    doc: 'replay this many times faster than recorded, 0.001 to 1000, as in 2.5; "max": as fast as the target answers',
  },
  {
    letter: 'I',
    name: 'skip-gaps',
    value: { kind: 'integer', argument: 'ms', min: 0, max: 86400000 },
    default: '0',
    group,
    doc: 'leave out pauses that are longer than this; 0 leaves none out',
  },
  {
    letter: 'T',
    name: 'repeat',
    value: { kind: 'integer', argument: 'n', min: 1, max: 1000000, clamped: true },
    default: '1',
    group,
    doc: 'replay the files this many times, each time when the last copy of the time before has ended',
  },
  {
    name: 'from',
    value: { kind: 'text', argument: 'time' },
    group,
    doc: 'leave out what was recorded before: seconds from the first packet, or a time such as 2026-01-31T12:00:00',
  },
  {
    name: 'to',
    value: { kind: 'text', argument: 'time' },
    group,
    doc: 'leave out what was recorded after, as for --from',
  },
  {
    name: 'shard',
    value: { kind: 'text', argument: 'i/n' },
    group,
    doc: 'copy the i-th of n parts of the connections, i from 0 to n - 1: n processes with the same files copy everything once',
  },
];
