import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { UsageError } from './exit-codes.ts';
import { formatServer, parseServers } from './parse-servers.ts';

const spelled = (text: string, port = 36524): string[] =>
  parseServers(text, port).value.map(formatServer);

describe('parseServers', () => {
  it('row 4: hosts without a port, or with port 0, take the default', () => {
    expect(spelled('10.0.0.9:1000,10.0.0.10', 2000)).toEqual(['10.0.0.9:1000', '10.0.0.10:2000']);
    expect(spelled('10.0.0.9:0', 2000)).toEqual(['10.0.0.9:2000']);
  });

  it('row 8: trims blanks, takes names and IPv6', () => {
    expect(spelled(' 10.0.0.9, assistant.example:99, [FD00::9], [fd00::9]:1')).toEqual([
      '10.0.0.9:36524',
      'assistant.example:99',
      '[fd00::9]:36524',
      '[fd00::9]:1',
    ]);
    expect(parseServers('assistant', 1).value[0]).toEqual({ host: 'assistant', port: 1 });
    expect(parseServers('10.0.0.9', 1).value[0]?.address?.toString()).toBe('10.0.0.9');
  });

  it('row 5: takes 32 hosts and refuses 33', () => {
    const hosts = (n: number): string =>
      Array.from({ length: n }, (_, i) => `10.0.0.${i + 1}`).join();
    expect(spelled(hosts(32))).toHaveLength(32);
    expect(() => parseServers(hosts(33), 1)).toThrow('names 33 hosts, expected at most 32');
  });

  it('uses a host that is named twice once, and says so', () => {
    const { value, warning } = parseServers('10.0.0.9,10.0.0.9:36524', 36524);
    expect(value).toHaveLength(1);
    expect(warning).toContain('10.0.0.9:36524 more than once');
  });

  it.each([
    ['10.0.0.300', 'is not an IP address'],
    ['10.0.0', 'is not an IP address'],
    ['a b', 'is not an IP address'],
    ['-host', 'is not an IP address'],
    ['fd00::9', 'an IPv6 address needs brackets'],
    ['10.0.0.9:1:2', 'it is not HOST[:PORT]'],
    ['10.0.0.9:70000', 'found "70000", expected a port'],
    ['10.0.0.9:x', 'found "x", expected a port'],
    [':36524', 'the address is empty'],
    ['[host]', 'expected an IPv6 address'],
    ['0.0.0.0', 'names no host'],
    ['10.0.0.9,,10.0.0.10', 'item 2 is empty'],
  ])('refuses "%s"', (text, message) => {
    expect(() => parseServers(text, 36524)).toThrow(UsageError);
    expect(() => parseServers(text, 36524)).toThrow(message);
  });

  it('reads back what formatServer writes', () => {
    const host = fc.oneof(
      fc.ipV4().filter((a) => /^(?!0\.|2[2-5]\d\.)/.test(a)),
      fc.stringMatching(/^[a-z][a-z0-9]{0,20}(\.[a-z][a-z0-9-]{0,8}[a-z0-9]){0,3}$/),
    );
    fc.assert(
      fc.property(host, fc.integer({ min: 1, max: 65535 }), (name, port) => {
        expect(spelled(`${name}:${port}`)).toEqual([`${name}:${port}`]);
      }),
    );
  });
});
