// What may be changed while connections are copied: by "ctl", and by SIGHUP. Nothing is joined in its middle, and nothing copied is let go.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { sleep } from '../../lab/child.ts';
import { drained, startHttpServer, startLoad } from '../../lab/http.ts';
import type { LoadPart } from '../../lab/load-plan.ts';
import { commandEnvironment, startCopying } from '../../lab/programs.ts';
import { createLab, type Lab } from '../../lab/topology.ts';
import { peerOf, readSection, selector } from './support.ts';

const part = (name: string, rest: Partial<LoadPart>): LoadPart => ({
  name,
  kind: 'new',
  requests: 400,
  connections: 20,
  rate: 400,
  ...rest,
});

async function ctl(lab: Lab, socket: string, ...words: string[]): Promise<string> {
  const args = ['ctl', '--control-socket', socket, ...words];
  const { stdout } = await lab.exec('online', 'tcpcopy', args, { env: commandEnvironment(lab) });
  return stdout;
}

test('another share holds for connections that begin then, and for no others', async () => {
  await using lab = await createLab();
  const online = await startHttpServer(lab, 'online');
  const target = await startHttpServer(lab, 'target');
  const socket = join(lab.folder, 'tcpcopy.sock');
  const copying = await startCopying(lab, { tcpcopy: ['-r', '30', '--control-socket', socket] });
  // Open all the time; each says something again and again.
  const old = startLoad(lab, [
    part('old', { kind: 'keep-alive', connections: 40, rate: 100, requests: 1500 }),
  ]).result;
  await sleep(2000);
  expect(await ctl(lab, socket, 'set', 'percentage=100')).toMatch(/percentage is 100 now/);
  const all = await startLoad(lab, [part('all', {})]).result;
  expect(await ctl(lab, socket, 'set', 'percentage=10')).toMatch(/percentage is 10 now/);
  const few = await startLoad(lab, [part('few', {})]).result;
  expect([all, few]).toEqual(Array(2).fill(expect.objectContaining({ answered: 400, errors: {} })));
  expect(await old).toMatchObject({ answered: 1500, errors: {} });
  const status = await ctl(lab, socket, 'status');
  expect(status).toMatch(/^connections seen +840$/m);
  expect(await ctl(lab, socket, 'get')).toMatch(/percentage = 10 +# ctl set percentage/);
  await drained(target, 1, 2000);
  expect(await ctl(lab, socket, 'stop')).toBe('Ending.\n');
  const end = await copying.tcpcopy.child.ended;
  const said = copying.tcpcopy.text();
  expect(end, said).toMatchObject({ code: 0 });

  const records = await online.records();
  const wanted = (name: string, share: number): string[] =>
    records
      .filter(({ path }) => path.startsWith(`/${name}/`))
      .filter((r) => selector(peerOf(r).address, peerOf(r).port) < share)
      .map(({ path }) => path);
  const got = (await target.records()).map(({ path }) => path);
  const old30 = wanted('old', 30);
  expect(old30.length).toBeLessThan(1500);
  const expected = [...old30, ...wanted('all', 100), ...wanted('few', 10)];
  expect(got.sort(), said).toEqual(expected.sort());
  expect(said).not.toMatch(/joined after their start/);
});

test('SIGHUP reads the file again; limits of a second hold at once and lose nothing of what is open', async () => {
  await using lab = await createLab();
  await startHttpServer(lab, 'online');
  const target = await startHttpServer(lab, 'target');
  const file = join(lab.folder, 'tcpcopy.toml');
  writeFileSync(file, 'percentage = 100\n');
  const { tcpcopy } = await startCopying(lab, { tcpcopy: ['--config', file] });
  const open = startLoad(lab, [
    part('open', { kind: 'keep-alive', connections: 4, rate: 100, requests: 1000 }),
  ]).result;
  await sleep(1000);
  writeFileSync(file, 'max-connections-per-second = 20\nmax-packets-per-second = 800\n');
  tcpcopy.child.process.kill('SIGHUP');
  await tcpcopy.child.waitFor(/max-connections-per-second is 20 now/, 10_000);
  const load = await startLoad(lab, [part('new', { rate: 100 })]).result;
  expect(load).toMatchObject({ answered: 400, errors: {} });
  expect(await open).toMatchObject({ answered: 1000, errors: {} });
  await drained(target, 1500, 3000);
  // What it cannot use it says, and goes on.
  writeFileSync(file, 'percentage = "many"\n');
  tcpcopy.child.process.kill('SIGHUP');
  await tcpcopy.child.waitFor(/Nothing is changed: /, 10_000);
  expect(await tcpcopy.stop()).toEqual({ code: 0, signal: null });
  const said = tcpcopy.text();
  const paths = (await target.records()).map(({ path }) => path);
  expect(paths.filter((path) => path.startsWith('/open/')).length, said).toBe(1000);
  const { parts, total } = readSection(said, 'connections seen');
  const refused = parts['not begun: too many in a second'] ?? 0;
  expect(total, said).toBe(404);
  expect(refused, said).toBeGreaterThan(200);
  expect(paths.filter((path) => path.startsWith('/new/')).length, said).toBe(400 - refused);
});
