// IPv6 from the client to the target and back, with copies under addresses of their own; and intercept listens for just what the
// tcpcopy that is connected names.
import { expect, test } from 'vitest';
import type { LoadPart } from '../../lab/load-plan.ts';
import { createLab, type LabOptions } from '../../lab/topology.ts';
import { copyLoad, expectIdentical } from './support.ts';

async function copyOverIpv6(part: LoadPart, options: LabOptions = {}): Promise<string> {
  await using lab = await createLab(options);
  const outcome = await copyLoad(lab, [part], {
    x: `80-[${lab.ip6('target')}]:80`,
    c: 'fd00:88::/112',
    filter: null,
    to: { host: lab.ip6('online') },
    quiet: 10_000,
  });
  expectIdentical(outcome, part.requests);
  for (const { peer } of outcome.target) expect(peer).toMatch(/^fd00:88::/);
  expect(outcome.said).toContain(`Capturing the responses of [${lab.ip6('target')}]:80`);
  return outcome.said;
}

test('50,000 keep-alive requests at 3,000 a second', async () => {
  const said = await copyOverIpv6({
    name: 'k',
    kind: 'keep-alive',
    rate: 3000,
    requests: 50_000,
    connections: 32,
  });
  expect(said).toMatch(/at intercept, for all that it serves:\n +packets captured +\d{5}/);
  expect(said).not.toMatch(/no response of any target/);
});

test('bodies of 5 MB', async () => {
  const body = 5 << 20;
  await copyOverIpv6({ name: 'b', kind: 'new', rate: 2, requests: 4, connections: 2, body });
});

test('responses of 5 MB', async () => {
  const response = 5 << 20;
  await copyOverIpv6({ name: 'r', kind: 'new', rate: 2, requests: 4, connections: 2, response });
});

test('packets that do not fit the path are cut', async () => {
  const part = { kind: 'new', rate: 20, requests: 40, connections: 4, body: 60_000 } as const;
  await copyOverIpv6({ name: 'm', ...part }, { mtu: 9000, targetMtu: 1280 });
});
