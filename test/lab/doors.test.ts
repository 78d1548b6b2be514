// Who may connect to intercept, and what rude peers can do: they are refused or bounded, told in the log with the cause and in few
// lines, and while they try, what others copy arrives as ever.
import { chownSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type CommandResult, sleep } from '../../lab/child.ts';
import { commandEnvironment, type Program, startProgram, typed } from '../../lab/programs.ts';
import type { Rude } from '../../lab/rude.ts';
import type { Answered, CrowdResult, Heard, Recording } from '../../lab/rude-orders.ts';
import { type Doors, expectFewLines, KEY, openDoors, saidDuring, stop } from './doors.ts';

const MAX_ROUTES_PER_PEER = 100_000;

/** The first words of an original tcpcopy, and 10.1.2.3:40000 to 10.66.0.2:80 registered. */
const VERSION_6 = '0000000000000006000000000000';
const REGISTRATION = '0a0102039c4000010a4200020050';

let doors: Doors;

const keyArgs = (name = 'key'): string[] => ['--key-file', doors.fileOf(name)];
const tlsArgs = (name: string): string[] => [
  '--tls-cert',
  doors.fileOf(`${name}.pem`),
  '--tls-key',
  doors.fileOf(`${name}.key`),
];
/** A tcpcopy with one connection, so that it is refused once. */
const onceArgs = (...more: readonly string[]): string[] =>
  doors.tcpcopyArgs(doors.intercept, '-C', '1', ...more);

beforeAll(async () => {
  doors = await openDoors();
});
afterAll(async () => {
  await doors[Symbol.asyncDispose]();
});

describe('an intercept with a key', () => {
  let intercept: Program;
  let tcpcopy: Program;
  const beside = (seconds: number, key: string | undefined, act: (rude: Rude) => Promise<void>) =>
    doors.undisturbed({ tcpcopy, intercept }, seconds, () => doors.rude(key, act));

  beforeAll(async () => {
    const limit = ['--max-routes-per-peer', String(MAX_ROUTES_PER_PEER)];
    intercept = await doors.startIntercept(...keyArgs(), ...limit);
    tcpcopy = await doors.startTcpcopy(...keyArgs());
  });
  afterAll(() => stop(tcpcopy, intercept));

  test('another key, no key, a recorded proof, an original', async () => {
    const said = await beside(8, undefined, async (peers) => {
      const wrong = await doors.refusedStart(onceArgs(...keyArgs('other')), 77);
      expect(wrong).toMatch(/10\.66\.0\.3:36524: .*does not fit the key/);
      const none = await doors.refusedStart(onceArgs(), 77);
      expect(none).toMatch(/serves only those that prove its key/);
      const heard = await peers.order<Heard>({ act: 'say', text: VERSION_6 + REGISTRATION });
      expect(heard).toMatchObject({ closed: true, text: '' });
    });
    expect(said.match(/the proof of tcpcopy does not fit the key/g)).toHaveLength(1);
    expect(said.match(/serves only those that prove its key/g)).toHaveLength(1);
    expect(said.match(/version 6 only, .*--allow-original/g), said).toHaveLength(1);
  });

  test('a handshake recorded on one connection and said on another, to either side', async () => {
    await doors.rude(undefined, async (peers) => {
      const argsTo = (port: number): string[] =>
        doors.tcpcopyArgs(`${doors.lab.ip4('online2')}:${port}`, '-C', '1', ...keyArgs());
      await peers.order({ act: 'relay', listen: 4000 });
      await stop(await startProgram(doors.lab, 'tcpcopy', argsTo(4000), 'online2'));
      const recording = await peers.order<Recording>({ act: 'recording' });
      // Offer, switch, AUTHENTICATE; hello, mark, AUTHENTICATED.
      expect(recording.toIntercept.length / 2).toBeGreaterThanOrEqual(100);
      expect(recording.toTcpcopy.length / 2).toBeGreaterThanOrEqual(86);

      const said = await doors.undisturbed({ tcpcopy, intercept }, 6, async () => {
        const text = recording.toIntercept;
        const heard = await peers.order<Heard>({ act: 'say', text });
        expect(heard.closed).toBe(true);
        expect(heard.text).toContain('does not fit the key');
        await peers.order({ act: 'pretend', listen: 4001, text: recording.toTcpcopy });
        expect(await doors.refusedStart(argsTo(4001), 77)).toMatch(
          /the proof of intercept does not fit the key/,
        );
      });
      expect(said.match(/the proof of tcpcopy does not fit the key/g)).toHaveLength(1);
    });
  });

  test('10,000 connections from one address, held and then opened and closed at once', async () => {
    const said = await beside(15, undefined, async (peers) => {
      const order = { act: 'crowd', count: 10_000 } as const;
      const held = await peers.order<CrowdResult>({ ...order, hold: true });
      expect(held.connected + held.failed).toBe(10_000);
      expect(held.closed).toBeGreaterThanOrEqual(held.connected - 64);
      const passing = await peers.order<CrowdResult>({ ...order, hold: false });
      expect(passing.connected + passing.failed).toBe(10_000);
    });
    expect(said).toMatch(/refusing the connection from [\d.:]+: too many connections from/);
  });

  test('a scan of the port: silence, HTTP, TLS and junk', async () => {
    const http = Buffer.from('GET / HTTP/1.1\r\nHost: intercept\r\n\r\n').toString('hex');
    const tls = `16030100c8010000c40303${'ab'.repeat(194)}`;
    const said = await beside(8, undefined, async (peers) => {
      for (const text of ['', http, tls, 'ff'.repeat(3000)]) {
        const result = await peers.order<CrowdResult>({ act: 'scan', count: 50, text });
        if (text !== '') expect(result.closed).toBeGreaterThan(40);
      }
    });
    expect(said).toMatch(/connected and did not say what tcpcopy says/);
    expect(said).toMatch(/closing control connection .*no tcpcopy/);
  });

  test('one octet a second, silence after a beginning, and nothing ever read', async () => {
    const said = await beside(50, undefined, async (dripping) => {
      const deaf = doors.rude(KEY, (peers) =>
        peers.order<Heard>({ act: 'deaf', from: '10.88.9.9', target: '10.66.0.2', count: 200 }),
      );
      const drip = dripping.order<Heard>({ act: 'drip', text: VERSION_6 + REGISTRATION });
      const stalled = await doors.rude(KEY, (peers) => peers.order<Heard>({ act: 'stall' }));
      expect(stalled.text).toContain('was not complete after 10 s');
      const dripped = await drip;
      expect(dripped.closed).toBe(true);
      expect(dripped.told).toBeLessThan(14);
      expect((await deaf).closed).toBe(true);
    });
    expect(said).toMatch(/it said nothing that tcpcopy says for 10 s/);
    expect(said).toMatch(/a message that it began was not complete after 10 s/);
    expect(said).toMatch(/does not read its responses fast enough/);
    expect(said).toMatch(/it has not read what it is sent for 30 s/);
  });

  test('one that registers without end, and one that asks without end', async () => {
    const said = await beside(12, KEY, async (peers) => {
      const order = { act: 'register', count: 3 * MAX_ROUTES_PER_PEER } as const;
      expect(await peers.order<Answered>(order)).toEqual({ pongs: 1, closed: false });
      const answered = await peers.order<Answered>({ act: 'ping', count: 200_000 });
      expect(answered.closed).toBe(false);
      expect(answered.pongs).toBeGreaterThan(1000);
    });
    expect(said).toMatch(/its address has 100000 routes, as many as --max-routes-per-peer allows/);
  });

  test('one that wants something else all the time', async () => {
    const said = await beside(8, KEY, async (peers) => {
      const answered = await peers.order<Answered>({ act: 'waver', count: 1000 });
      expect(answered).toEqual({ pongs: 1000, closed: false });
    });
    expect(said).toMatch(/tcpcopy connected from /);
  });

  test("another's sessions: a stranger gets none, and one with the key is named", async () => {
    await beside(5, undefined, async (peers) => {
      await sleep(1000);
      const order = { act: 'take', sessions: doors.sessions() } as const;
      expect(await peers.order<Answered>(order)).toEqual({ pongs: 0, closed: true });
    });
    const said = await saidDuring(intercept, () =>
      doors.rude(KEY, async (peers) => {
        const { load } = doors.startRound(300);
        await sleep(1000);
        const order = { act: 'take', sessions: doors.sessions() } as const;
        expect(await peers.order<Answered>(order)).toEqual({ pongs: 1, closed: false });
        expect(await load.result).toMatchObject({ answered: 300, errors: {} });
      }),
    );
    expect(said).toMatch(
      /has registered a session that tcpcopy at 10\.66\.0\.1:\d+ had registered/,
    );
    expectFewLines(said);
    await doors.undisturbed({ tcpcopy, intercept }, 4, () => Promise.resolve());
  });
});

test('originals where they are allowed, beside those that prove the key', async () => {
  const intercept = await doors.startIntercept(...keyArgs(), '--allow-original');
  const tcpcopy = await doors.startTcpcopy(...keyArgs());
  const said = await doors.undisturbed({ tcpcopy, intercept }, 4, async () => {
    const text = VERSION_6 + REGISTRATION;
    const heard = await doors.rude(undefined, (peers) => peers.order<Heard>({ act: 'say', text }));
    expect(heard).toMatchObject({ closed: false, text: '' });
    await doors.refusedStart(onceArgs(...keyArgs('other')), 77);
  });
  expect(said).toMatch(/tcpcopy connected from 10\.66\.0\.1\d\d:/);
  expect(said).toMatch(/the proof of tcpcopy does not fit the key/);
  await stop(tcpcopy, intercept);
});

describe('an intercept that speaks TLS', () => {
  const ca = (name = 'ca'): string[] => ['--tls-ca', doors.fileOf(`${name}.pem`)];

  test('with a key: strangers keep no port shut, and a plain tcpcopy is told', async () => {
    const intercept = await doors.startIntercept(...tlsArgs('good'), ...keyArgs());
    const tcpcopy = await doors.startTcpcopy(...ca(), ...keyArgs());
    const said = await doors.undisturbed({ tcpcopy, intercept }, 12, () =>
      doors.rude(undefined, async (peers) => {
        const held = await peers.order<CrowdResult>({ act: 'crowd', count: 2000, hold: true });
        expect(held.closed).toBeGreaterThan(1900);
        // Handshakes that never end are still under way.
        const args = doors.tcpcopyArgs(doors.intercept, ...ca(), ...keyArgs());
        await stop(await startProgram(doors.lab, 'tcpcopy', args, 'online2'));
        const plain = await doors.refusedStart(onceArgs(...keyArgs()), 69);
        expect(plain).toMatch(/--tls-ca/);
        const other = await doors.refusedStart(onceArgs(...ca(), ...keyArgs('other')), 77);
        expect(other).toMatch(/does not fit the key/);
      }),
    );
    expect(said).toMatch(/too many TLS handshakes at once from one address/);
    expect(said).toMatch(/it does not speak TLS: a tcpcopy needs --tls-ca here/);
    expect(said.match(/the proof of tcpcopy does not fit the key/g)).toHaveLength(1);
    await stop(tcpcopy, intercept);
  });

  test('without a key', async () => {
    const intercept = await doors.startIntercept(...tlsArgs('good'));
    const tcpcopy = await doors.startTcpcopy(...ca());
    await doors.undisturbed({ tcpcopy, intercept }, 4, async () => {
      const strange = await doors.refusedStart(onceArgs(...ca('other-ca')), 69);
      expect(strange).toMatch(/not signed by one of --tls-ca/);
    });
    await stop(tcpcopy, intercept);
  });

  test.each([
    { title: 'made out to another', who: 'DNS:elsewhere.example', days: 2, says: /made out to/ },
    { title: 'that has expired', who: 'IP:10.66.0.3', days: -1, says: /renew the certificate/ },
  ])('a certificate $title', async ({ who, days, says }) => {
    doors.certificates.certify('bad', who, 'ca', days);
    const intercept = await doors.startIntercept(...tlsArgs('bad'));
    expect(await doors.refusedStart(onceArgs(...ca()), 69)).toMatch(says);
    await stop(intercept);
    expect(intercept.text()).toMatch(/10\.66\.0\.5:\d+: it broke off the TLS handshake/);
  });

  test('or does not, and a tcpcopy does', async () => {
    const intercept = await doors.startIntercept();
    expect(await doors.refusedStart(onceArgs(...ca()), 69)).toMatch(/does it speak TLS\?/);
    await stop(intercept);
    expect(intercept.text()).toMatch(/it speaks TLS, and this intercept does not/);
  });
});

describe('key files that cannot be used', () => {
  test.each(['tcpcopy', 'intercept'] as const)('%s', async (name) => {
    const start = async (file: string, prefix = ''): Promise<CommandResult> => {
      const keyed = ['--key-file', file];
      const args = name === 'tcpcopy' ? doors.tcpcopyArgs('10.66.0.3', ...keyed) : keyed;
      const options = { env: commandEnvironment(doors.lab), mayFail: true };
      const command = `exec ${prefix} ${typed(name, args)}`;
      return doors.lab.exec('online2', 'sh', ['-c', command], options);
    };
    const expectRefused = ({ code, stderr }: CommandResult, says: RegExp): void => {
      expect(code, stderr).toBe(78);
      expect(stderr).toMatch(says);
    };
    expectRefused(await start(doors.makeFile('open', KEY, 0o644)), /mode is 644.*\n.*chmod 600/);
    expectRefused(await start(doors.makeFile('empty', '\n')), /holds 0 octets; expected 16/);
    expectRefused(await start(doors.lab.folder), /a directory/);
    expectRefused(await start(doors.fileOf('none')), /no such file.*\n.*openssl rand/i);
    const foreign = doors.makeFile('foreign', KEY);
    chownSync(foreign, 1234, 1234);
    const poor = 'setpriv --bounding-set -dac_override,-dac_read_search --';
    expectRefused(await start(foreign, poor), /permission denied/i);
  });
});
