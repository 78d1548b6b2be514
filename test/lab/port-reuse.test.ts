// Clients that use a port again at once, while its former connection lives on at the target, or waits there in TIME-WAIT.
import { describe, expect, test } from 'vitest';
import { runScripts } from '../../lab/stream-records.ts';
import type { Lab } from '../../lab/topology.ts';
import {
  asks,
  BAD,
  type Ending,
  type Leaving,
  openScene,
  request,
  type SceneOptions,
  setKernel,
  streamsOf,
} from './bad-targets.ts';

const PORTS = [21_000, 21_001, 21_002, 21_003];

/** Two connections from each port, two requests over each. */
const pathsOf = (port: number): string[][] =>
  ['first', 'second'].map((name) => [1, 2].map((n) => `/${name}/${port}/${n}`));

/** Octets of the requests of one connection from a port of five digits. */
const CONNECTION_LENGTH = {
  first: request('/first/21000/1').length * 2,
  second: request('/second/21000/1').length * 2,
};

/** A client that closes first has its own TIME-WAIT, from which Linux lets it go after a second, or less when told so. */
async function leaveTimeWaitSoon(lab: Lab): Promise<void> {
  await setKernel(lab, 'client', 'net/ipv4/tcp_tw_reuse', 1);
  await setKernel(lab, 'client', 'net/ipv4/tcp_tw_reuse_delay', 1);
}

/** Everything arrived, in order, each connection as one of its own. */
function expectBoth(ending: Ending): void {
  const streams = streamsOf(ending, BAD);
  expect(streams.length, ending.said).toBe(PORTS.length);
  for (const s of streams) {
    expect(s, `${JSON.stringify(s)}\n${ending.said}`).toMatchObject({
      online: CONNECTION_LENGTH.first + CONNECTION_LENGTH.second,
      target: s.online,
      connections: 2,
      isPrefix: true,
    });
  }
}

async function useAgain(how: Leaving, options: SceneOptions): Promise<Ending> {
  // A server that closes first does so after the second answer, on either connection.
  const online = {
    manner: 'closes after the answer',
    after: CONNECTION_LENGTH.first,
  } as const;
  await using scene = await openScene({
    prepare: leaveTimeWaitSoon,
    ...(how === 'closed' && { online }),
    ...options,
  });
  await runScripts(
    scene.lab,
    PORTS.map((port) => asks(port, how, pathsOf(port))),
  );
  await scene.settled(1500);
  return await scene.end();
}

describe('a port used again at once', () => {
  const ends = [
    ['end', 'closed it', 'completed'],
    ['closed', 'saw the server close it', 'completed'],
    ['reset', 'reset it', 'reset by client'],
  ] as const;
  for (const [how, words, outcome] of ends) {
    test(`after the client ${words}`, async () => {
      const ending = await useAgain(how, {});
      expectBoth(ending);
      expect(ending.account, ending.said).toMatchObject({ 'connections seen': 8, [outcome]: 8 });
    });

    test(`after the client ${words}, while the target is still at the first request`, async () => {
      const ending = await useAgain(how, { target: { delay: 300 } });
      expectBoth(ending);
      expect(ending.account, ending.said).toEqual({
        'connections seen': 8,
        [outcome]: 8,
        'of these, waited for their port': 4,
      });
    });
  }

  test('eight times by a client that resets each time', async () => {
    await using scene = await openScene({ target: { delay: 50 } });
    const lists = Array.from({ length: 8 }, (_, i) => [`/turn/${i}`]);
    await runScripts(scene.lab, [asks(21_000, 'reset', lists)]);
    await scene.settled(1500);
    const ending = await scene.end();
    const [s] = streamsOf(ending, BAD);
    expect(s, ending.said).toMatchObject({ connections: 8, target: s?.online, isPrefix: true });
    expect(ending.account, ending.said).toMatchObject({
      'connections seen': 8,
      'reset by client': 8,
    });
  });
});

test('the target closes first: its TIME-WAIT takes the port again', async () => {
  const ending = await useAgain('closed', {
    target: { manner: 'closes after the answer', after: CONNECTION_LENGTH.first },
  });
  expectBoth(ending);
  expect(ending.account, ending.said).toMatchObject({ 'connections seen': 8, completed: 8 });
});

test('without timestamps, the TIME-WAIT of the target tells old from new by sequence numbers', async () => {
  const ending = await useAgain('closed', {
    target: { manner: 'closes after the answer', after: CONNECTION_LENGTH.first },
    prepare: async (lab) => {
      await setKernel(lab, 'client', 'net/ipv4/tcp_timestamps', 0);
    },
  });
  expectBoth(ending);
  expect(ending.account, ending.said).toMatchObject({ 'connections seen': 8, completed: 8 });
});
