import { describe, expect, it } from 'vitest';
import { seconds } from '../base/time.ts';
import { establish } from '../../test/sim/dialogue.ts';
import { Dialogue } from '../testing/index.ts';
import { formatStatistics, interceptStatistics, replayStatistics } from './statistics.ts';

const numbers = (d: Dialogue): Record<string, number> =>
  Object.assign({}, ...replayStatistics(d.replayer)) as Record<string, number>;

/** What the original writes, by its documentation: each line's labels in order. */
const LABELS = [
  'active,rel,obs del,tw',
  'conns,resp,c-resp',
  'resp fin,resp rst',
  'send,send content',
  'send syn,fin,reset',
  'reconnect,for no syn',
  'retransmit',
  'recv packs after retransmission',
  'syn cnt,all clt,clt cont',
  'total cont retransmit,frag',
  'total captured packets',
];

describe('replayStatistics', () => {
  it('has the labels of the original, each of them once', () => {
    const d = new Dialogue();
    establish(d);
    const lines = replayStatistics(d.replayer);
    expect(lines.map((line) => Object.keys(line).join(','))).toEqual(LABELS);
    const labels = lines.flatMap((line) => Object.keys(line));
    expect(new Set(labels).size).toBe(labels.length);
    expect(lines.map(formatStatistics)[0]).toBe('active:1,rel:0,obs del:0,tw:0');
  });

  it('row 117: is empty while nothing matches', () => {
    const d = new Dialogue();
    d.client('S', { seq: 1, to: { address: '10.0.0.1', port: 4444 } });
    expect(d.replayer.ledger.captured).toBe(1);
    expect(replayStatistics(d.replayer)).toEqual([]);
  });

  it('counts a connection, what it sends, and its repetitions', () => {
    const d = new Dialogue();
    establish(d);
    expect(numbers(d)).toMatchObject({ conns: 1, 'send syn': 1, 'syn cnt': 1, active: 1, rel: 0 });
    d.client('PA', { seq: 1001, ack: 5001, data: 10 });
    d.advance(seconds(2));
    d.client('PA', { seq: 1001, ack: 5001, data: 10 });
    const { retransmit = 0 } = numbers(d);
    expect(retransmit).toBeGreaterThan(0);
    expect(numbers(d)).toMatchObject({
      'all clt': 3,
      'clt cont': 2,
      'total cont retransmit': 1,
      'send content': retransmit + 1,
      'recv packs after retransmission': 0,
    });
    for (const seq of [9001, 9021]) d.target('PA', { seq, ack: 1011, data: 20 });
    expect(numbers(d)).toMatchObject({ 'c-resp': 2, 'recv packs after retransmission': 1 });
    d.client('R', { seq: 1011 });
    d.advance(seconds(10));
    expect(numbers(d)).toMatchObject({ active: 0, rel: 1, tw: 0, reset: 1, 'all clt': 4 });
  });
});

describe('interceptStatistics', () => {
  const counters = {
    received: 100,
    unusable: Float64Array.of(0, 4),
    forwarded: 80,
    writes: 12,
    slowPeer: 1,
    peerGone: 2,
    unroutable: 0,
    unrouted: Float64Array.of(3, 5, 0, 0, 0),
    queued: 0,
    waiting: 5,
    refusalsLost: 0,
  };
  const routes = {
    added: 7,
    size: 2,
    peak: 3,
    bytes: 0,
    moved: 0,
    refused: 0,
    taken: 0,
    reclaimed: 0,
  };

  it('has the labels of the original, and its sums', () => {
    expect(interceptStatistics(counters, routes).map(formatStatistics)).toEqual([
      'total resp packs:96,all:100,route:7,sock write cnt:12',
      'cache hit:83,missed:0,lost:13',
      'search:96,extra compared:0,all sessions:7',
    ]);
  });

  it('is empty while nothing is captured', () => {
    expect(interceptStatistics({ ...counters, received: 0 }, routes)).toEqual([]);
  });
});
