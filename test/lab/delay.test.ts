// A target 50 ms away in each direction, from the online host and from the assistant. The client is near the online host, so the
// copy has all of an upload in hand long before it may send it, as has curl: both are bound by the target's distance alone.
import { expect, test } from 'vitest';
import { sleep } from '../../lab/child.ts';
import { compare, describe as inWords, isIdentical } from '../../lab/compare.ts';
import { startHttpServer } from '../../lab/http.ts';
import { startStopwatch, type Stopwatch } from '../../lab/laps.ts';
import { startCopying } from '../../lab/programs.ts';
import { createLab, type Lab } from '../../lab/topology.ts';

const DELAYED = { delayToTarget: 50, offloads: false };
const MB = 1 << 20;
const UPLOAD = 5 * MB;
const DOWNLOAD = 10 * MB;
/** The first is not counted: programs and caches are cold. Of the others the best: the machine has other work. */
const ROUNDS = 4;

/** Runs curl on a host to its end. `to` is the server, `path` tells the transfers apart. */
async function curl(lab: Lab, host: 'online' | 'client', path: string, body?: string) {
  const server = host === 'online' ? lab.ip4('target') : lab.ip4('online');
  const sends = body === undefined ? [] : ['-H', 'Expect:', '--data-binary', `@${body}`];
  await lab.exec(host, 'curl', ['-sS', '-o', '/dev/null', ...sends, `http://${server}${path}`]);
}

/** Waits until the stopwatch has as many laps of one kind as `wanted`; those of the copies and of curl on the online host. */
async function laps(watch: Stopwatch, lab: Lab, kind: 'sent' | 'acknowledged', wanted: number) {
  for (let i = 0; ; i++) {
    const all = (await watch.laps()).filter((lap) => lap[kind] !== undefined);
    if (all.length >= wanted || i === 600) {
      const isDirect = ({ peer }: { peer: string }): boolean => peer.startsWith(lab.ip4('online'));
      const times = all.map((lap) => ({ direct: isDirect(lap), time: lap[kind] ?? 0 }));
      const direct = times.filter((lap) => lap.direct).map(({ time }) => time);
      const copied = times.filter((lap) => !lap.direct).map(({ time }) => time);
      return { direct, copied };
    }
    await sleep(50);
  }
}

function expectNotSlower({ direct, copied }: { direct: number[]; copied: number[] }): void {
  const text = `ms from SYN to the last octet at the target: curl ${direct.join(', ')}; copied ${copied.join(', ')}`;
  expect([direct.length, copied.length], text).toEqual([ROUNDS, ROUNDS]);
  const best = (times: number[]): number => Math.min(...times.slice(1));
  expect(best(copied) / best(direct), text).toBeLessThan(1.2);
}

test('a copied upload of 5 MB and response of 10 MB take as long as those of curl', async () => {
  await using lab = await createLab(DELAYED);
  for (const host of ['online', 'target'] as const) {
    // Lest one connection teach the next.
    await lab.exec(host, 'sysctl', ['-qw', 'net.ipv4.tcp_no_metrics_save=1']);
  }
  const online = await startHttpServer(lab, 'online');
  const target = await startHttpServer(lab, 'target');
  const uploads = await startStopwatch(lab, 'target', 80, UPLOAD);
  const downloads = await startStopwatch(lab, 'target', 80, DOWNLOAD);
  const { tcpcopy, intercept } = await startCopying(lab);
  const body = `${lab.folder}/body`;
  await lab.exec('client', 'dd', [
    'if=/dev/urandom',
    `of=${body}`,
    'bs=1M',
    `count=${UPLOAD / MB}`,
  ]);
  for (let round = 1; round <= ROUNDS; round++) {
    await curl(lab, 'online', `/direct/up/${round}`, body);
    await curl(lab, 'client', `/copied/up/${round}`, body);
    await laps(uploads, lab, 'sent', 2 * round);
    await curl(lab, 'online', `/direct/down/${round}?size=${DOWNLOAD}`);
    await curl(lab, 'client', `/copied/down/${round}?size=${DOWNLOAD}`);
    await laps(downloads, lab, 'acknowledged', 2 * round);
  }
  await tcpcopy.stop();
  await intercept.stop();
  const said = `${tcpcopy.text()}${intercept.text()}`;
  const copied = (await target.records()).filter(({ path }) => path.startsWith('/copied'));
  const comparison = compare(await online.records(), copied);
  expect(isIdentical(comparison), `${inWords(comparison)}\n${said}`).toBe(true);
  await lab.delayForwarder?.stop();
  expect(lab.delayForwarder?.stdout).toMatch(/ lost 0$/m);
  expectNotSlower(await laps(uploads, lab, 'sent', 2 * ROUNDS));
  expectNotSlower(await laps(downloads, lab, 'acknowledged', 2 * ROUNDS));
});
