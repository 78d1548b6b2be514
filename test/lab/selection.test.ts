// Which connections are copied, under which addresses, to which target.
import { describe, expect, test } from 'vitest';
import { compareServers, drained, startHttpServer, startLoad } from '../../lab/http.ts';
import { describe as inWords, isIdentical } from '../../lab/compare.ts';
import type { LoadPart } from '../../lab/load-plan.ts';
import { startCopying } from '../../lab/programs.ts';
import { createLab } from '../../lab/topology.ts';
import { copyLoad, expectIdentical, peerOf, readSection, selector } from './support.ts';

test('the oracle of -r agrees with the original’s examples', () => {
  expect(selector('10.1.2.3', 40000)).toBe(31);
  expect(selector('10.1.2.3', 40001)).toBe(32);
  expect(selector('192.168.1.7', 51000)).toBe(60);
  expect(selector('62.135.200.9', 1025)).toBe(2);
});

describe('-r 20', () => {
  test.each([
    { title: 'by the client’s address', c: undefined },
    { title: 'by the address that -c gives', c: '10.88.0.1' },
  ])('copies the connections of the formula, $title', async ({ c }) => {
    await using lab = await createLab();
    const parts: LoadPart[] = [
      { name: 'n', kind: 'new', requests: 500, rate: 250, connections: 50, firstPort: 30_000 },
    ];
    const options = c === undefined ? {} : { c };
    const outcome = await copyLoad(lab, parts, { ...options, quiet: 1500, tcpcopy: ['-r', '20'] });
    expect(outcome.result.answered).toBe(500);
    const wanted = outcome.online
      .filter((r) => selector(c ?? peerOf(r).address, peerOf(r).port) < 20)
      .map((r) => r.path);
    expect(wanted.length).toBeGreaterThan(20);
    expect(wanted.length).toBeLessThan(300);
    const got = outcome.target.map((r) => r.path);
    expect(got.sort(), outcome.said).toEqual(wanted.sort());
  });
});

test.each([1, 10, 50])(
  '-r %i over 10,000 connections copies as many within one percentage point',
  async (percentage) => {
    await using lab = await createLab();
    // From all over the ports: the formula of the original is uneven over few that follow each other.
    const parts = Array.from({ length: 20 }, (_, i): LoadPart => {
      const part = { kind: 'new', requests: 500, rate: 75, connections: 10 } as const;
      return { ...part, name: `part${i}`, firstPort: 2000 + 3000 * i };
    });
    const outcome = await copyLoad(lab, parts, {
      tcpcopy: ['-r', String(percentage)],
      wanted: percentage * 100,
      quiet: 2000,
    });
    expect(outcome.result).toMatchObject({ answered: 10_000, errors: {} });
    expect(Math.abs(outcome.target.length / 100 - percentage), outcome.said).toBeLessThan(1);
    const { total, parts: ends } = readSection(outcome.said, 'connections seen');
    expect(total).toBe(10_000);
    expect(ends['not sampled (-r)']).toBe(10_000 - outcome.target.length);
  },
);

describe('-c', () => {
  test.each([
    { list: '10.88.0.5,10.88.0.9', named: /^10\.88\.0\.[59]$/, used: 2 },
    { list: '10.88.1.x', named: /^10\.88\.1\.\d+$/, used: 6 },
    { list: '10.88.2.0/24', named: /^10\.88\.2\.\d+$/, used: 6 },
    { list: '10.88.3.7', named: /^10\.88\.3\.7$/, used: 1 },
  ])('$list', async ({ list, named, used }) => {
    await using lab = await createLab({ clientAddresses: 6 });
    // Ports of their own, as several clients share an address of a short list.
    const parts = lab.clientAddresses().map((address, i): LoadPart => {
      const part = { kind: 'new', requests: 20, rate: 40, connections: 20 } as const;
      return { ...part, name: `client${i}`, addresses: [address], firstPort: 20_000 + 1000 * i };
    });
    const outcome = await copyLoad(lab, parts, { c: list });
    expectIdentical(outcome, 120);
    const given = new Map<string, Set<string>>();
    for (const record of outcome.target) {
      const client = record.path.split('/')[1]!;
      given.set(client, (given.get(client) ?? new Set()).add(peerOf(record).address));
    }
    expect(given.size).toBe(6);
    const all = new Set<string>();
    for (const addresses of given.values()) {
      expect(addresses.size, 'one client, one address').toBe(1);
      for (const address of addresses) all.add(address);
    }
    expect(all.size).toBe(used);
    for (const address of all) expect(address).toMatch(named);
  });
});

test('two -x pairs go to their own targets', async () => {
  await using lab = await createLab({ secondTarget: true });
  const onlines = [
    await startHttpServer(lab, 'online', 80),
    await startHttpServer(lab, 'online', 81),
  ];
  const targets = [
    await startHttpServer(lab, 'target', 80),
    await startHttpServer(lab, 'target2', 8081),
  ];
  const x = `80-${lab.ip4('target')}:80,81-${lab.ip4('target2')}:8081`;
  const copying = await startCopying(lab, { x, filter: 'tcp and (src port 80 or src port 8081)' });
  const kind = { kind: 'keep-alive', connections: 4, rate: 200 } as const;
  const loads = [80, 81].map((port, i) =>
    startLoad(lab, [{ ...kind, name: `to${port}`, requests: 200 + 100 * i }], { port }),
  );
  await Promise.all(loads.map((load) => load.result));
  await drained(targets[0]!, 200);
  await drained(targets[1]!, 300);
  await copying.tcpcopy.stop();
  for (const i of [0, 1]) {
    const c = await compareServers(onlines[i]!, targets[i]!);
    expect(isIdentical(c), `${inWords(c)}\n${copying.tcpcopy.text()}`).toBe(true);
    expect(c.target).toBe(200 + 100 * i);
  }
});
