import type { GapPolicy } from '../session/context.ts';
import type { OptionSpec } from './option-spec.ts';

export const GAP_POLICIES: readonly GapPolicy[] = ['reset', 'close'];
/** Most that `--max-held-octets-total` takes, 64 GiB. */
const MAX_MEMORY = 68_719_476_736;
const MAX_RATE = 1_000_000_000;
const WEEK = 604_800;

const count = (name: string, min: number, max: number, value: number, doc: string): OptionSpec => ({
  name,
  value: { kind: 'integer', argument: name.includes('octets') ? 'octets' : 'n', min, max },
  default: String(value),
  group: '',
  doc,
  ...(name.endsWith('-per-second') && { changeable: true }),
});

const time = (name: string, max: number, value: number, doc: string): OptionSpec => ({
  name,
  value: { kind: 'integer', argument: 'seconds', min: 1, max },
  default: String(value),
  group: '',
  doc,
});

const LIMITS: readonly OptionSpec[] = [
  count(
    'max-connections',
    1,
    4_000_000,
    262_144,
    'copies at once, those included that ended a moment ago; connections beyond are not copied',
  ),
  count(
    'max-connections-per-second',
    0,
    MAX_RATE,
    0,
    'copies that begin in a second, of which a tenth may begin at once; connections beyond are not copied; 0 means no limit',
  ),
  count(
    'max-packets-per-second',
    0,
    MAX_RATE,
    0,
    'packets to the targets in a second; what copies have to send waits for its turn, and while it waits for more than a second no connection is begun; 0 means no limit',
  ),
  count(
    'max-octets-per-second',
    0,
    MAX_MEMORY,
    0,
    'octets of such packets, IP headers included, in a second; as for --max-packets-per-second',
  ),
  count(
    'max-held-segments',
    1,
    2_000_000,
    65_536,
    'captured pieces held for one connection; a copy that would need more ends',
  ),
  count(
    'max-held-octets',
    65_536,
    1_073_741_824,
    67_108_864,
    'captured octets held for one connection; a copy that would need more ends',
  ),
  count(
    'max-held-segments-total',
    1,
    100_000_000,
    2_000_000,
    'captured pieces held in all; the copy ends that would need more',
  ),
  count(
    'max-held-octets-total',
    5_242_880,
    MAX_MEMORY,
    536_870_912,
    'memory for captured octets in all; the copy ends that would need more',
  ),
  count(
    'max-retransmissions',
    1,
    255,
    20,
    'times in a row that something is sent again without any progress before a copy ends',
  ),
  count(
    'max-reconnections',
    0,
    1_000_000_000,
    65_536,
    'times that one copy connects anew after the target has closed or reset its connection',
  ),
  time(
    'handshake-timeout',
    3600,
    15,
    'give up a copied connection whose SYN has not been answered for this long',
  ),
  time(
    'close-wait-timeout',
    WEEK,
    60,
    'give up a copied connection that the target closed this long ago and the client has not',
  ),
  {
    name: 'closing-timeout',
    value: { kind: 'integer', argument: 'seconds', min: 1, max: WEEK },
    defaultNote: '-t',
    group: '',
    doc: 'give up a copied connection that the client has closed when the target has been silent for this long',
  },
  time(
    'gap-timeout',
    3600,
    10,
    'give up a copied connection when what the capture lost of it has not come again for this long',
  ),
  {
    name: 'on-gap',
    value: { kind: 'choice', argument: 'end', choices: GAP_POLICIES },
    default: 'reset',
    group: '',
    doc: 'how such a connection ends, after what came before the gap: reset (RST) or close (FIN)',
  },
  time(
    'linger-time',
    3600,
    6,
    'how long a copy that has ended still answers what the target sends late',
  ),
];

/** What may be held, done and waited for. */
export const limitOptions = (group: string): readonly OptionSpec[] =>
  LIMITS.map((spec) => ({ ...spec, group }));
