import { describe, expect, it } from 'vitest';
import { parseServers } from './parse-servers.ts';
import { resolveServers, type Lookup } from './resolve-servers.ts';

const BOOK: Readonly<Record<string, string>> = {
  assistant: '10.0.0.9',
  six: 'fd00::9',
  odd: 'fe80::1%eth0',
};
const find: Lookup = (name) => {
  const address = BOOK[name];
  if (address !== undefined) return Promise.resolve({ address });
  return Promise.reject(
    Object.assign(new Error(`getaddrinfo ENOTFOUND ${name}`), { code: 'ENOTFOUND' }),
  );
};
const resolve = (text: string): Promise<string[]> =>
  resolveServers(parseServers(text, 1).value, find).then((servers) =>
    servers.map(({ host, port, address }) => `${host} ${port} ${address.toString()}`),
  );

describe('resolveServers', () => {
  it('asks for names only, and keeps the order', async () => {
    expect(await resolve('10.0.0.1,assistant:7,six')).toEqual([
      '10.0.0.1 1 10.0.0.1',
      'assistant 7 10.0.0.9',
      'six 1 fd00::9',
    ]);
  });

  it.each(['nowhere', 'odd'])('ends the start with status 69 for %s', async (name) => {
    await expect(resolve(`10.0.0.1,${name}`)).rejects.toMatchObject({
      exitCode: 69,
      message: expect.stringMatching(`^Cannot find the address of "${name}" in -s: `) as string,
    });
  });

  it('resolves localhost as the system does', async () => {
    const [server] = await resolveServers(parseServers('localhost', 1).value);
    expect(['127.0.0.1', '::1']).toContain(server?.address.toString());
  });
});
