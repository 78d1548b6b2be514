import { describe, expect, it } from 'vitest';
import { Random } from '../base/random.ts';
import { seqOf } from '../base/seq.ts';
import { addTime, type Instant, millis, seconds } from '../base/time.ts';
import { Outcome } from '../session/outcome.ts';
import { Phase } from '../session/phase.ts';
import type { CopyEndpoints } from '../session/state.ts';
import { address, transfer } from '../testing/harness.ts';
import type { PacketView } from '../wire/packet-view.ts';
import { ClientAddresses } from './client-addresses.ts';
import type { Copy } from './copy.ts';
import type { CopyTable } from './copy-table.ts';
import type { PlacesConfig } from './own-places.ts';
import { Places } from './places.ts';

const TARGET = transfer(80, '10.9.0.1', 8080);
const START = 1e6 as Instant;

/** What a place is found for: a captured SYN. */
const synFrom = (ip: string, sourcePort: number): PacketView => {
  const { w0, w1, w2, w3 } = address(ip);
  return { family: 4, src0: w0, src1: w1, src2: w2, src3: w3, sourcePort } as PacketView;
};

/** The live copies, told apart by address and port. */
class Live {
  readonly all = new Map<number, Copy>();

  findByEnds(ends: CopyEndpoints): Copy | undefined {
    return this.all.get(nameOf(ends));
  }

  begin(ends: CopyEndpoints): Copy {
    const copy = { ends, hasEnded: false, succession: null, phase: Phase.established } as Copy;
    this.all.set(nameOf(ends), copy);
    return copy;
  }

  end(copy: Copy, how: Partial<Copy>): Copy {
    this.all.delete(nameOf(copy.ends));
    return Object.assign(copy, { outcome: Outcome.completed, sndMax: seqOf(1000) }, how);
  }
}

/** All go to one target, and only the last word of an IPv4 address differs. */
const nameOf = ({ source, sourcePort }: CopyEndpoints): number => source.w3 * 65_536 + sourcePort;

const world = (config: Partial<PlacesConfig>, ...c: string[]): { live: Live; places: Places } => {
  const live = new Live();
  const v4 = c.length > 0 ? new ClientAddresses(c.map(address)) : undefined;
  const table = live as unknown as CopyTable;
  const all = { copies: 3, ...config, clientAddresses: { v4, v6: undefined } };
  return { live, places: new Places(all, table, 1, 100) };
};

const find = (places: Places, p: PacketView, lane: number, now = START, iss = 1) =>
  places.find(now, p, TARGET, lane, seqOf(iss), undefined);

const said = (ends: CopyEndpoints | undefined): string =>
  ends === undefined ? 'none' : `${String(ends.source)}:${ends.sourcePort}`;

describe('where copies come from', () => {
  const client = synFrom('10.1.2.3', 40_000);

  it('row 53: the first has the port of the client, the others those of the original', () => {
    const { places } = world({});
    const all = [0, 1, 2].map((lane) => said(find(places, client, lane)));
    expect(all).toEqual(['10.1.2.3:40000', '10.1.2.3:40132', '10.1.2.3:40196']);
  });

  it('row 54: beyond 65535 they go on after the services, and none meets another', () => {
    const { live, places } = world({});
    expect(said(find(places, synFrom('10.1.2.3', 65_500), 1))).toBe('10.1.2.3:1120');
    const seen = new Set<string>();
    for (const port of [65_500, 65_501, 65_535, 1120, 1024]) {
      for (const lane of [0, 1, 2]) {
        const ends = find(places, synFrom('10.1.2.3', port), lane) as CopyEndpoints;
        expect(ends.sourcePort).toBeGreaterThanOrEqual(1024);
        expect(ends.sourcePort).toBeLessThan(65_536);
        live.begin(ends);
        seen.add(said(ends));
      }
    }
    expect(seen.size).toBe(15);
  });

  it('of the addresses of -c each copy of a client has its own, and keeps it', () => {
    const { places } = world({}, '172.16.0.1', '172.16.0.2', '172.16.0.3');
    for (const port of [1000, 2000]) {
      const all = [0, 1, 2].map((lane) => find(places, synFrom('10.1.2.3', port), lane));
      const sources = all.map((ends) => String(ends?.source));
      expect(sources).toEqual(['172.16.0.1', '172.16.0.2', '172.16.0.3']);
    }
  });

  it('row 55: with -f all ports are those of one range, so that two programs never meet', () => {
    for (const portRange of [1, 2, 31]) {
      const { places } = world({ portRange });
      for (const port of [1, 40_000, 65_535]) {
        for (const lane of [0, 1, 2]) {
          const sourcePort = find(places, synFrom('10.1.2.3', port), lane)?.sourcePort ?? 0;
          expect(Math.floor(sourcePort / 2048)).toBe(portRange);
        }
      }
    }
  });

  it('each of a range of ports is found before it is said that there is none, on every address', () => {
    const { live, places } = world({ portRange: 5 }, '172.16.0.1', '172.16.0.2');
    for (let i = 0; i < 2 * 2048; i++) {
      const ends = find(places, client, i % 3);
      if (ends === undefined) throw new Error(`no place after ${i}`);
      live.begin(ends);
    }
    expect(find(places, client, 1)).toBeUndefined();
    const [copy] = live.all.values();
    live.end(copy as Copy, {});
    // It is looked for again after a while only.
    expect(find(places, client, 1)).toBeUndefined();
    expect(said(find(places, client, 1, addTime(START, millis(101))))).toBe(said(copy?.ends));
  });
});

describe('a place that the target may keep in TIME-WAIT', () => {
  const client = synFrom('10.1.2.3', 40_000);
  const targetClosedFirst = { phase: Phase.closed };

  it.each([
    ['for a minute', 59, 1, '10.1.2.3:16127'],
    ['no longer', 60, 1, '10.1.2.3:40132'],
    ['nor when the SYN is numbered beyond all that it has seen', 1, 1001, '10.1.2.3:40132'],
  ])('is left alone %s', (_title, after, iss, wanted) => {
    const { live, places } = world({});
    const copy = live.begin(find(places, client, 1) as CopyEndpoints);
    places.leave(START, live.end(copy, targetClosedFirst));
    const ends = find(places, client, 1, addTime(START, seconds(after)), iss);
    expect(said(ends)).toBe(wanted);
  });

  it('does not exist where the copy closed first, or was reset', () => {
    const { live, places } = world({});
    for (const how of [
      { phase: Phase.timeWait },
      { phase: Phase.closed, outcome: Outcome.resetByClient },
    ]) {
      const copy = live.begin(find(places, client, 1) as CopyEndpoints);
      places.leave(START, live.end(copy, how));
      expect(said(find(places, client, 1))).toBe('10.1.2.3:40132');
    }
  });
});

it('a million places: none of a live copy, none in TIME-WAIT', () => {
  const random = new Random(11);
  const { live, places } = world({ copies: 20, portRange: 9 }, '172.16.0.1', '172.16.0.2');
  const open: Copy[] = [];
  const waits = new Map<number, Instant>();
  let now = START;
  let found = 0;
  let refused = 0;
  while (found < 1_000_000) {
    now = addTime(now, millis(random.int(0, 30)));
    const p = synFrom(`10.1.${random.int(0, 4)}.${random.int(1, 4)}`, random.int(1024, 65_536));
    for (let lane = 0; lane < 20; lane++) {
      const ends = find(places, p, lane, now);
      if (ends === undefined) {
        refused++;
        break;
      }
      found++;
      const name = nameOf(ends);
      if (live.all.has(name)) throw new Error(`${name} is in use`);
      if ((waits.get(name) ?? now) > now) throw new Error(`${name} is in TIME-WAIT`);
      open.push(live.begin(ends));
    }
    // Mostly with room enough, and now and then with none.
    const ending = found % 100_000 < 10_000 ? 0.93 : 0.96;
    while (open.length > 0 && random.chance(ending)) {
      const at = random.int(0, open.length);
      const copy = open[at] as Copy;
      open[at] = open.at(-1) as Copy;
      open.pop();
      const targetFirst = random.chance(0.01);
      const phase = targetFirst ? Phase.closed : Phase.timeWait;
      places.leave(now, live.end(copy, { phase }));
      if (targetFirst) waits.set(nameOf(copy.ends), addTime(now, seconds(60)));
    }
  }
  expect(found).toBeGreaterThanOrEqual(1_000_000);
  expect(refused).toBeGreaterThan(0);
}, 60_000);
