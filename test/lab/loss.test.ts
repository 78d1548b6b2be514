// Copies over links that lose packets: of a hundred, 2 or 10 of the copies on their way to the target, and as many of the
// responses on their way to the assistant.
import { describe, expect, test } from 'vitest';
import type { LoadPart } from '../../lab/load-plan.ts';
import { createLab } from '../../lab/topology.ts';
import { copyLoad, expectAllEnded, expectIdentical, expectTrue, targetIdle } from './support.ts';

const VERY_LOSSY = { lossToTarget: 100, lossFromTarget: 100, keepStreams: true };
const LOSSY = { lossToTarget: 20, lossFromTarget: 20 };
/** Retransmissions of a copy back off; a quiet target is not done yet. */
const PATIENT = { quiet: 20_000 };

async function copyLossy(part: LoadPart): Promise<void> {
  await using lab = await createLab(LOSSY);
  const outcome = await copyLoad(lab, [part], PATIENT);
  expectIdentical(outcome, part.requests);
  expect(outcome.said).toMatch(/retransmitted +[1-9]/);
}

test('500 short requests, a new connection each', async () => {
  await copyLossy({ name: 's', kind: 'new', rate: 200, requests: 500, connections: 50 });
});

test('2,000 requests on one keep-alive connection', async () => {
  await copyLossy({ name: 'k', kind: 'keep-alive', rate: 500, requests: 2000, connections: 1 });
});

test('20 bodies of 200 KB', async () => {
  const body = 200 * 1024;
  await copyLossy({ name: 'm', kind: 'new', rate: 10, requests: 20, connections: 4, body });
});

test('5 bodies of 5 MB', async () => {
  const body = 5 * 1024 * 1024;
  await copyLossy({ name: 'l', kind: 'new', rate: 2, requests: 5, connections: 1, body });
});

describe('every tenth packet lost on either way', () => {
  /** A FIN of the target that was lost some times comes again ever more seldom: no copy waits for it longer than `targetIdle`. */
  const tcpcopy = ['--closing-timeout', '7'];

  async function copyVeryLossy(part: LoadPart, connections: number): Promise<void> {
    await using lab = await createLab(VERY_LOSSY);
    const beforeStop = (): Promise<void> => targetIdle(lab);
    const outcome = await copyLoad(lab, [part], { ...PATIENT, tcpcopy, beforeStop });
    expectTrue(outcome);
    expectAllEnded(outcome, connections);
  }

  test('short requests, a new connection each', async () => {
    const requests = 500;
    await copyVeryLossy({ name: 's', kind: 'new', rate: 200, requests, connections: 50 }, requests);
  });

  test('one keep-alive connection', async () => {
    await copyVeryLossy(
      { name: 'k', kind: 'keep-alive', rate: 200, requests: 200, connections: 1 },
      1,
    );
  });

  test('bodies of 200 KB', async () => {
    const body = 200 * 1024;
    await copyVeryLossy(
      { name: 'm', kind: 'new', rate: 10, requests: 20, connections: 4, body },
      20,
    );
  });
});
