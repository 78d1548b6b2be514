// Copies over links that lose packets: 2 in a hundred of the copies on their way to the target, and 2 of the responses on their
// way to the assistant.
import { expect, test } from 'vitest';
import type { LoadPart } from '../../lab/load-plan.ts';
import { createLab } from '../../lab/topology.ts';
import { copyLoad, expectIdentical } from './support.ts';

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
