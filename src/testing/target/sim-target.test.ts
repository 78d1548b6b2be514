import { describe, expect, it } from 'vitest';
import { Random } from '../../base/random.ts';
import { type Duration, type Instant, millis } from '../../base/time.ts';
import { payloadOf } from '../dialogue.ts';
import { EventQueue } from '../event-queue.ts';
import { buildPacket, type OptionsRecord, type Packet, readPacket } from '../packet.ts';
import type { TargetScript } from './script.ts';
import { SimTarget } from './sim-target.ts';

const CLIENT = { address: '10.1.2.3', port: 40_000 };
const SELF = { address: '10.9.0.1', port: 8080 };
const NOW = 1000 as Instant;

const SCRIPT: TargetScript = {
  client: CLIENT,
  isn: 1000,
  greeting: 0,
  greetingDelay: 0 as Duration,
  answers: [{ after: 100, response: 300, delay: millis(1) }],
  mss: 1000,
  options: {},
  buffer: 4000,
  readPause: 0 as Duration,
  ackDelay: 0 as Duration,
  ignoredSyns: 0,
  manners: 'polite',
  takesTurns: true,
  badAt: 0,
};

/** A target and a hand-made client. */
class Rig {
  readonly events: EventQueue = new EventQueue();
  readonly answers: Packet[] = [];
  readonly target: SimTarget;

  constructor(script: Partial<TargetScript> = {}) {
    const scripts = [{ ...SCRIPT, ...script }];
    this.target = new SimTarget(scripts, SELF, this.events, new Random(1), (octets) =>
      this.answers.push(readPacket(octets)),
    );
  }

  send(flags: string, seq: number, ack: number, data = 0, options: OptionsRecord = {}): void {
    this.sendOctets(flags, seq, ack, payloadOf(data, seq), options);
  }

  sendOctets(flags: string, seq: number, ack: number, payload: Uint8Array, options = {}): void {
    const packet = buildPacket({
      from: CLIENT,
      to: SELF,
      flags,
      seq,
      ack,
      window: 65_535,
      urgentPointer: 0,
      ttl: 64,
      trafficClass: 0,
      ipId: 0,
      dontFragment: false,
      options,
      payload,
    });
    this.target.handle(NOW, packet);
  }

  /** The handshake; returns what to acknowledge. */
  connect(seq = 1000): number {
    this.send('S', seq, 0, 0, { mss: 1460 });
    const synAck = this.answers.at(-1) as Packet;
    expect(synAck).toMatchObject({ flags: 'SA', ack: seq + 1 });
    const ack = (synAck.seq + 1) >>> 0;
    this.send('A', seq + 1, ack);
    return ack;
  }
}

describe('SimTarget', () => {
  it('receives in order and answers', () => {
    const rig = new Rig();
    const ack = rig.connect();
    rig.send('PA', 1051, ack, 50);
    expect(rig.target.received(0)).toBe(0);
    rig.send('A', 1001, ack, 50);
    expect(rig.target.received(0)).toBe(100);
    rig.events.runNext();
    rig.events.runNext();
    const answer = rig.answers.at(-1) as Packet;
    expect([answer.seq, answer.ack, answer.payload.length]).toEqual([ack, 1101, 300]);
    rig.send('FA', 1101, (ack + 300) >>> 0);
    expect(rig.target.hasEnded(0)).toBe(true);
  });

  it('notices octets beyond its window', () => {
    const rig = new Rig();
    const ack = rig.connect();
    rig.send('A', 4001, ack, 1000);
    expect(() => rig.send('A', 4002, ack, 1000)).toThrow(/the window ends at 5001/);
  });

  it('notices segments longer than its MSS', () => {
    const rig = new Rig();
    const ack = rig.connect();
    expect(() => rig.send('A', 1001, ack, 1001)).toThrow('1001 octets with an MSS of 1000');
  });

  it('notices acknowledgements of what it has not sent', () => {
    const rig = new Rig();
    const ack = rig.connect();
    expect(() => rig.send('A', 1001, ack + 1, 10)).toThrow(/of which only \d+ was sent/);
  });

  it('notices octets that no client has sent', () => {
    const rig = new Rig();
    const ack = rig.connect();
    expect(() => rig.sendOctets('A', 1001, ack, Uint8Array.of(1, 2, 3))).toThrow(
      /not the client's/,
    );
  });

  it('notices what it was sent already, on another connection', () => {
    const rig = new Rig();
    const ack = rig.connect();
    rig.send('PA', 1001, ack, 100);
    rig.send('RA', 1101, ack);
    const next = rig.connect(1050);
    expect(() => rig.send('PA', 1051, next, 100)).toThrow(/sends again from 50, after 100/);
  });

  it('notices a request before the answer to the one before', () => {
    const rig = new Rig();
    const ack = rig.connect();
    rig.send('PA', 1001, ack, 100);
    expect(() => rig.send('PA', 1101, ack, 10)).toThrow(/request 2 overtakes the answer/);
  });

  it('notices a copy of nothing', () => {
    expect(() => new Rig().send('S', 900, 0)).toThrow(/a copy from port 40000/);
  });

  it('shortens its segments when a router says so, and sends them again', () => {
    const rig = new Rig();
    const ack = rig.connect();
    rig.send('PA', 1001, ack, 100);
    while (rig.answers.at(-1)?.payload.length !== 300) rig.events.runNext();
    const last = rig.answers.at(-1) as Packet;
    rig.target.handleTooLong(NOW, buildPacket(last), 240);
    expect(rig.answers.slice(-2).map((p) => [p.seq, p.payload.length])).toEqual([
      [ack, 200],
      [(ack + 200) >>> 0, 100],
    ]);
  });
});
