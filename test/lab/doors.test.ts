// Who may connect to intercept, and what rude peers can do: they are refused or bounded, told in the log with the cause and in few
// lines, and while they try, what others copy arrives as ever.
import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type CommandResult, type Exit, sleep } from '../../lab/child.ts';
import { compare, describe as inWords, isIdentical } from '../../lab/compare.ts';
import { drained, startHttpServer, startLoad, type StreamServer } from '../../lab/http.ts';
import {
  commandEnvironment,
  interceptArgs,
  launchProgram,
  type Program,
  startProgram,
  typed,
} from '../../lab/programs.ts';
import { residentMegabytes, type Rude, startRude } from '../../lab/rude.ts';
import type {
  Answered,
  CrowdResult,
  Door,
  Heard,
  Recording,
  RudeSession,
} from '../../lab/rude-orders.ts';
import { createLab, type HostName, type Lab } from '../../lab/topology.ts';

const PORT = 36524;
/** Requests a second of the load that must not be disturbed. */
const RATE = 100;
/** The one address that its copies come from, and the port of its first client. */
const COPIES = '10.88.1.1';
const FIRST_PORT = 30_000;
const CONNECTIONS = 10;
/** Lines that any of the rude may cause: eleven a minute of each kind, and a sum. */
const FEW_LINES = 40;
/** Megabytes that intercept may have, whatever is done to it. It has 60 by itself, and 73 with 100,000 sessions of one peer. */
const MEMORY = 120;
const MAX_ROUTES_PER_PEER = 100_000;
const KEY = 'a key that only these two hosts have';

/** The first words of an original tcpcopy, and 10.1.2.3:40000 to 10.66.0.2:80 registered. */
const VERSION_6 = '0000000000000006000000000000';
const REGISTRATION = '0a0102039c4000010a4200020050';

let lab: Lab;
let online: StreamServer;
let target: StreamServer;
let rounds = 0;
/** Addresses that rude peers have come from. */
let strangers = 0;

function keyFile(name: string, content: string, mode = 0o600): string {
  const file = join(lab.folder, name);
  writeFileSync(file, content);
  chmodSync(file, mode);
  return file;
}

const fileOf = (name: string): string => join(lab.folder, name);

function openssl(...args: readonly string[]): void {
  execFileSync('openssl', args, { stdio: 'ignore', cwd: lab.folder });
}

const EC = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];

/** A certificate authority. */
function makeCa(name: string): void {
  const out = ['-keyout', `${name}.key`, '-out', `${name}.pem`, '-days', '2'];
  openssl('req', '-x509', ...EC, '-subj', `/CN=${name}`, ...out);
}

/** A certificate for `who` that `ca` vouches for, for so many days. */
function certify(name: string, who: string, ca: string, days: number): void {
  openssl('req', ...EC, '-subj', '/CN=intercept', '-keyout', `${name}.key`, '-out', `${name}.csr`);
  writeFileSync(fileOf('names'), `subjectAltName=${who}\n`);
  const by = ['-CA', `${ca}.pem`, '-CAkey', `${ca}.key`, '-CAcreateserial', '-extfile', 'names'];
  openssl(
    'x509',
    '-req',
    '-in',
    `${name}.csr`,
    ...by,
    '-days',
    String(days),
    '-out',
    `${name}.pem`,
  );
}

const tlsArgs = (name: string): string[] => [
  '--tls-cert',
  fileOf(`${name}.pem`),
  '--tls-key',
  fileOf(`${name}.key`),
];

const tcpcopyArgs = (server: string, ...more: readonly string[]): string[] => [
  '-x',
  `80-${lab.ip4('target')}:80`,
  '-s',
  server,
  '-c',
  COPIES,
  ...more,
];

const startIntercept = (...more: readonly string[]): Promise<Program> =>
  startProgram(lab, 'intercept', interceptArgs({ filter: null, intercept: more }));

/** What `program` prints meanwhile. */
async function saidDuring(program: Program, act: () => Promise<unknown>): Promise<string> {
  const before = program.child.stderr.length;
  await act();
  return program.child.stderr.slice(before);
}

const linesOf = (text: string): string[] => text.split('\n').filter((line) => line !== '');

/** A tcpcopy that must not start; what it said. */
async function refusedStart(
  args: readonly string[],
  status: number,
  host: HostName = 'online2',
): Promise<string> {
  const program = launchProgram(lab, 'tcpcopy', args, host);
  const { child } = program;
  const exit = await Promise.race([child.ended, child.waitFor(/: ready/, 20_000)]);
  const said = program.text();
  expect(exit, said).toEqual({ code: status, signal: null } satisfies Exit);
  expect(said).not.toMatch(/\n\s+at .+:\d+:\d+/);
  return said;
}

/** Peers on another host: strangers, or such as have the key. */
async function rude<T>(
  key: string | undefined,
  act: (rude: Rude) => Promise<T>,
  more: Partial<Door> = {},
): Promise<T> {
  // What is said about one address is folded, so each of them has its own.
  const from = `10.66.0.${100 + ++strangers}`;
  const own = { host: lab.ip4('assistant'), port: PORT, from, ...(key !== undefined && { key }) };
  const peers = await startRude(lab, 'online2', { ...own, ...more });
  try {
    return await act(peers);
  } finally {
    await peers.stop();
  }
}

/** The sessions of the load that comes next. */
const nextSessions = (): RudeSession[] =>
  Array.from({ length: CONNECTIONS }, (_, i) => ({
    client: COPIES,
    clientPort: FIRST_PORT + CONNECTIONS * (rounds + 1) + i,
    target: lab.ip4('target'),
    targetPort: 80,
  }));

/** Runs a load of so many seconds beside `act`; all of it arrives. What `intercept` printed meanwhile. */
async function undisturbed(
  { tcpcopy, intercept }: { tcpcopy: Program; intercept: Program },
  seconds: number,
  act: () => Promise<unknown>,
): Promise<string> {
  const name = `round${rounds++}`;
  const requests = RATE * seconds;
  const part = { name, kind: 'keep-alive', requests, rate: RATE } as const;
  const firstPort = FIRST_PORT + CONNECTIONS * rounds;
  const had = await target.count();
  const said = await saidDuring(intercept, async () => {
    const { result } = startLoad(lab, [{ ...part, connections: CONNECTIONS, firstPort }]);
    await act();
    expect(await result).toMatchObject({ answered: requests, errors: {} });
    await drained(target, had + requests);
  });
  const of = async (server: StreamServer) =>
    (await server.records()).filter(({ path }) => path.startsWith(`/${name}/`));
  const comparison = compare(await of(online), await of(target));
  const text = `${inWords(comparison)}\n${tcpcopy.text().slice(-3000)}\n${said.slice(-1500)}`;
  expect(comparison.online, text).toBe(requests);
  expect(isIdentical(comparison), text).toBe(true);
  expect(linesOf(said).length, said.slice(0, 3000)).toBeLessThan(FEW_LINES);
  expect(residentMegabytes(intercept.child.pid)).toBeLessThan(MEMORY);
  return said;
}

async function stop(...programs: readonly Program[]): Promise<void> {
  for (const program of programs) {
    expect(await program.stop(), program.text()).toEqual({ code: 0, signal: null });
  }
}

beforeAll(async () => {
  lab = await createLab({ more: ['online2'] });
  online = await startHttpServer(lab, 'online');
  target = await startHttpServer(lab, 'target');
  // For those who connect as a client of the target does; the answers go by the assistant.
  const own = Array.from({ length: 30 }, (_, i) => `addr add 10.66.0.${101 + i}/24 dev eth0`);
  const input = ['addr add 10.88.9.9/32 dev lo', ...own].join('\n');
  await lab.exec('online2', 'ip', ['-batch', '-'], { input });
  keyFile('key', `${KEY}\n`);
  keyFile('other', 'a key that somebody else has\n');
  makeCa('ca');
  makeCa('other-ca');
  certify('good', `IP:${lab.ip4('assistant')}`, 'ca', 2);
});
afterAll(async () => {
  await lab[Symbol.asyncDispose]();
});

describe('an intercept with a key', () => {
  let intercept: Program;
  let tcpcopy: Program;
  const beside = (seconds: number, key: string | undefined, act: (rude: Rude) => Promise<void>) =>
    undisturbed({ tcpcopy, intercept }, seconds, () => rude(key, act));

  beforeAll(async () => {
    const limit = ['--max-routes-per-peer', String(MAX_ROUTES_PER_PEER)];
    intercept = await startIntercept('--key-file', fileOf('key'), ...limit);
    const args = tcpcopyArgs(lab.ip4('assistant'), '--key-file', fileOf('key'));
    tcpcopy = await startProgram(lab, 'tcpcopy', args);
  });
  afterAll(() => stop(tcpcopy, intercept));

  test('another key, no key, a recorded proof, an original', async () => {
    const server = lab.ip4('assistant');
    const said = await beside(8, undefined, async (peers) => {
      const wrong = tcpcopyArgs(server, '-C', '1', '--key-file', fileOf('other'));
      expect(await refusedStart(wrong, 77)).toMatch(/10\.66\.0\.3:36524: .*does not fit the key/);
      const none = await refusedStart(tcpcopyArgs(server, '-C', '1'), 77);
      expect(none).toMatch(/serves only those that prove its key/);
      const heard = await peers.order<Heard>({ act: 'say', text: VERSION_6 + REGISTRATION });
      expect(heard).toMatchObject({ closed: true, text: '' });
    });
    expect(said.match(/the proof of tcpcopy does not fit the key/g)).toHaveLength(1);
    expect(said.match(/serves only those that prove its key/g)).toHaveLength(1);
    expect(said.match(/version 6 only, .*--allow-original/g), said).toHaveLength(1);
  });

  test('a handshake recorded on one connection and said on another, to either side', async () => {
    await rude(undefined, async (peers) => {
      await peers.order({ act: 'relay', listen: 4000 });
      const through = [`${lab.ip4('online2')}:4000`, '-C', '1', '--key-file', fileOf('key')];
      const args = tcpcopyArgs(through[0] as string, ...through.slice(1));
      await stop(await startProgram(lab, 'tcpcopy', args, 'online2'));
      const recording = await peers.order<Recording>({ act: 'recording' });
      // Offer, switch, AUTHENTICATE; hello, mark, AUTHENTICATED.
      expect(recording.toIntercept.length / 2).toBeGreaterThanOrEqual(100);
      expect(recording.toTcpcopy.length / 2).toBeGreaterThanOrEqual(86);

      const said = await undisturbed({ tcpcopy, intercept }, 6, async () => {
        const text = recording.toIntercept;
        const heard = await peers.order<Heard>({ act: 'say', text });
        expect(heard.closed).toBe(true);
        expect(heard.text).toContain('does not fit the key');
        await peers.order({ act: 'pretend', listen: 4001, text: recording.toTcpcopy });
        const pretended = tcpcopyArgs(`${lab.ip4('online2')}:4001`, ...through.slice(1));
        expect(await refusedStart(pretended, 77)).toMatch(
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
      const deaf = rude(KEY, (peers) =>
        peers.order<Heard>({ act: 'deaf', from: '10.88.9.9', target: '10.66.0.2', count: 200 }),
      );
      const drip = dripping.order<Heard>({ act: 'drip', text: VERSION_6 + REGISTRATION });
      const stalled = await rude(KEY, (peers) => peers.order<Heard>({ act: 'stall' }));
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
      const order = { act: 'take', sessions: nextSessions() } as const;
      await sleep(1000);
      expect(await peers.order<Answered>(order)).toEqual({ pongs: 0, closed: true });
    });
    const said = await saidDuring(intercept, () =>
      rude(KEY, async (peers) => {
        const firstPort = FIRST_PORT + CONNECTIONS * ++rounds;
        const part = { name: 'taken', kind: 'keep-alive', requests: 300, rate: RATE } as const;
        const { result } = startLoad(lab, [{ ...part, connections: CONNECTIONS, firstPort }]);
        await sleep(1000);
        const sessions = nextSessions().map((s) => ({ ...s, clientPort: s.clientPort - 10 }));
        const answered = await peers.order<Answered>({ act: 'take', sessions });
        expect(answered).toEqual({ pongs: 1, closed: false });
        expect(await result).toMatchObject({ answered: 300, errors: {} });
      }),
    );
    expect(said).toMatch(
      /has registered a session that tcpcopy at 10\.66\.0\.1:\d+ had registered/,
    );
    expect(linesOf(said).length, said).toBeLessThan(FEW_LINES);
    await undisturbed({ tcpcopy, intercept }, 4, () => Promise.resolve());
  });
});

test('originals where they are allowed, beside those that prove the key', async () => {
  const intercept = await startIntercept('--key-file', fileOf('key'), '--allow-original');
  const args = tcpcopyArgs(lab.ip4('assistant'), '--key-file', fileOf('key'));
  const tcpcopy = await startProgram(lab, 'tcpcopy', args);
  const said = await undisturbed({ tcpcopy, intercept }, 4, async () => {
    const text = VERSION_6 + REGISTRATION;
    const heard = await rude(undefined, (peers) => peers.order<Heard>({ act: 'say', text }));
    expect(heard).toMatchObject({ closed: false, text: '' });
    await refusedStart(
      tcpcopyArgs(lab.ip4('assistant'), '-C', '1', '--key-file', fileOf('other')),
      77,
    );
  });
  expect(said).toMatch(/tcpcopy connected from 10\.66\.0\.1\d\d:/);
  expect(said).toMatch(/the proof of tcpcopy does not fit the key/);
  await stop(tcpcopy, intercept);
});

describe('an intercept that speaks TLS', () => {
  const ca = (name = 'ca'): string[] => ['--tls-ca', fileOf(`${name}.pem`)];
  const key = (): string[] => ['--key-file', fileOf('key')];
  const server = (): string => lab.ip4('assistant');

  test('with a key: strangers keep no port shut, and a plain tcpcopy is told', async () => {
    const intercept = await startIntercept(...tlsArgs('good'), ...key());
    const args = tcpcopyArgs(server(), ...ca(), ...key());
    const tcpcopy = await startProgram(lab, 'tcpcopy', args);
    const said = await undisturbed({ tcpcopy, intercept }, 12, () =>
      rude(undefined, async (peers) => {
        const held = await peers.order<CrowdResult>({ act: 'crowd', count: 2000, hold: true });
        expect(held.closed).toBeGreaterThan(1900);
        // Handshakes that never end are still under way.
        await stop(await startProgram(lab, 'tcpcopy', args, 'online2'));
        const plain = await refusedStart(tcpcopyArgs(server(), '-C', '1', ...key()), 69);
        expect(plain).toMatch(/--tls-ca/);
        const other = ['--key-file', fileOf('other'), '-C', '1'];
        expect(await refusedStart(tcpcopyArgs(server(), ...ca(), ...other), 77)).toMatch(
          /does not fit the key/,
        );
      }),
    );
    expect(said).toMatch(/too many TLS handshakes at once from one address/);
    expect(said).toMatch(/it does not speak TLS: a tcpcopy needs --tls-ca here/);
    expect(said.match(/the proof of tcpcopy does not fit the key/g)).toHaveLength(1);
    await stop(tcpcopy, intercept);
  });

  test('without a key', async () => {
    const intercept = await startIntercept(...tlsArgs('good'));
    const tcpcopy = await startProgram(lab, 'tcpcopy', tcpcopyArgs(server(), ...ca()));
    await undisturbed({ tcpcopy, intercept }, 4, async () => {
      const strange = tcpcopyArgs(server(), '-C', '1', ...ca('other-ca'));
      expect(await refusedStart(strange, 69)).toMatch(/not signed by one of --tls-ca/);
    });
    await stop(tcpcopy, intercept);
  });

  test.each([
    { title: 'made out to another', who: 'DNS:elsewhere.example', days: 2, says: /made out to/ },
    { title: 'that has expired', who: 'IP:10.66.0.3', days: -1, says: /renew the certificate/ },
  ])('a certificate $title', async ({ who, days, says }) => {
    certify('bad', who, 'ca', days);
    const intercept = await startIntercept(...tlsArgs('bad'));
    expect(await refusedStart(tcpcopyArgs(server(), '-C', '1', ...ca()), 69)).toMatch(says);
    await stop(intercept);
    expect(intercept.text()).toMatch(/10\.66\.0\.5:\d+: it broke off the TLS handshake/);
  });

  test('or does not, and a tcpcopy does', async () => {
    const intercept = await startIntercept();
    expect(await refusedStart(tcpcopyArgs(server(), '-C', '1', ...ca()), 69)).toMatch(
      /does it speak TLS\?/,
    );
    await stop(intercept);
    expect(intercept.text()).toMatch(/it speaks TLS, and this intercept does not/);
  });
});

describe('key files that cannot be used', () => {
  test.each(['tcpcopy', 'intercept'] as const)('%s', async (name) => {
    const start = async (file: string, prefix = ''): Promise<CommandResult> => {
      const keyed = ['--key-file', file];
      const args = name === 'tcpcopy' ? tcpcopyArgs('10.66.0.3', ...keyed) : keyed;
      const options = { env: commandEnvironment(lab), mayFail: true };
      return lab.exec('online2', 'sh', ['-c', `exec ${prefix} ${typed(name, args)}`], options);
    };
    const expectRefused = ({ code, stderr }: CommandResult, says: RegExp): void => {
      expect(code, stderr).toBe(78);
      expect(stderr).toMatch(says);
    };
    expectRefused(await start(keyFile('open', KEY, 0o644)), /mode is 644.*\n.*chmod 600/);
    expectRefused(await start(keyFile('empty', '\n')), /holds 0 octets; expected 16/);
    expectRefused(await start(lab.folder), /a directory/);
    expectRefused(await start(fileOf('none')), /no such file.*\n.*openssl rand/i);
    const foreign = keyFile('foreign', KEY);
    chownSync(foreign, 1234, 1234);
    const poor = 'setpriv --bounding-set -dac_override,-dac_read_search --';
    expectRefused(await start(foreign, poor), /permission denied/i);
  });
});
