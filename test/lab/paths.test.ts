// Offloads on and off, MTU 576 to 9000 on the way to the target: bodies identical.
import { describe, expect, test } from 'vitest';
import type { LoadPart } from '../../lab/load-plan.ts';
import { createLab, type LabOptions } from '../../lab/topology.ts';
import { copyLoad, expectIdentical } from './support.ts';

const PARTS: readonly LoadPart[] = [
  { name: 'k', kind: 'keep-alive', requests: 200, rate: 200, connections: 4 },
  { name: 'n', kind: 'new', requests: 50, rate: 50, connections: 20 },
  { name: 'p', kind: 'keep-alive', requests: 40, rate: 40, connections: 4, body: 24 * 1024 },
  { name: 'q', kind: 'keep-alive', requests: 10, rate: 10, connections: 2, body: 200 * 1024 },
  { name: 'd', kind: 'keep-alive', requests: 4, rate: 4, connections: 2, response: 1 << 20 },
];
const REQUESTS = PARTS.reduce((sum, part) => sum + part.requests, 0);

/** Online MTU and target MTU. A small one lies on the target's side only: the clients' segments are
 *  then larger than the target takes. */
const MTUS: ReadonlyArray<readonly [number, number]> = [
  [1500, 576],
  [1500, 1280],
  [1500, 1500],
  [9000, 9000],
  [9000, 1500],
];

describe.each([true, false])('offloads: %s', (offloads) => {
  test.each(MTUS)('MTU online %i, target %i', async (mtu, targetMtu) => {
    await using lab = await createLab({ mtu, targetMtu, offloads } satisfies LabOptions);
    // The lab does what it says: otherwise the test shows nothing.
    const { stdout } = await lab.exec('online', 'ethtool', ['-k', 'eth0']);
    const state = offloads ? 'on' : 'off';
    for (const feature of ['tcp-segmentation-offload', 'tx-checksumming']) {
      expect(stdout).toContain(`${feature}: ${state}`);
    }
    expect((await lab.exec('target', 'ip', ['link'])).stdout).toContain(`mtu ${targetMtu}`);
    expectIdentical(await copyLoad(lab, PARTS), REQUESTS);
  });

  test('-M 576 on a way that would take more', async () => {
    await using lab = await createLab({ offloads });
    expectIdentical(await copyLoad(lab, PARTS, { tcpcopy: ['-M', '576'] }), REQUESTS);
  });
});

test('a packet in a hundred lost on the way there and back', async () => {
  await using lab = await createLab({ lossToTarget: 10, lossFromTarget: 10 });
  expectIdentical(await copyLoad(lab, PARTS), REQUESTS);
});
