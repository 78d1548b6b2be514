import { describe, expect, it } from 'vitest';
import { openLibrary } from './libc.ts';
import { compileFilter, FilterError } from './pcap-filter.ts';

// The package is optional, so both outcomes are right in their place.
const installed = openLibrary(['libpcap.so.0.8', 'libpcap.so.1']) !== undefined;

describe.runIf(installed)('compileFilter with libpcap', () => {
  it('compiles for packets that start at the IP header, both versions', () => {
    const program = compileFilter('tcp and src port 80');
    expect(program[0]).toEqual({ code: 0x30, jt: 0, jf: 0, k: 0 });
    expect(program.filter((i) => i.code === 0x06).map((i) => i.k)).toContain(0);
    expect(program.some((i) => i.code === 0x15 && i.k === 0x60)).toBe(true);
    expect(program.some((i) => i.code === 0x15 && i.k === 0x40)).toBe(true);
  });

  it('lets as many octets pass as asked for', () => {
    const lengths = compileFilter('tcp', 128)
      .filter((i) => i.code === 0x06)
      .map((i) => i.k);
    expect(lengths.toSorted((a, b) => a - b)).toEqual([0, 128]);
  });

  it('says in libpcap’s words what is wrong, and with what', () => {
    const compile = (): unknown => compileFilter('tcp and src prot 80');
    expect(compile).toThrow(FilterError);
    expect(compile).toThrow(/^Cannot compile the filter 'tcp and src prot 80': .+syntax/);
  });

  it.each(['ether host 02:00:00:00:00:01', 'vlan 5', 'ether broadcast'])(
    'explains why %s cannot be used',
    (expression) => {
      expect(() => compileFilter(expression)).toThrow(
        /packets are seen from their IP header on, so terms about the link/,
      );
    },
  );
});
