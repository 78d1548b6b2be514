import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import { type CaptureRecords, RecordState } from '../ports/capture-records.ts';
import { pcapFile } from '../testing/capture-files.ts';
import { openCaptureFiles } from './capture-files.ts';

const folder = mkdtempSync(join(tmpdir(), 'capture-files-'));
afterAll(() => rmSync(folder, { recursive: true }));

const FORM = { little: true, linkType: 101 };
const packet = (time: number, mark: number): { time: number; octets: number[] } => ({
  time,
  octets: [mark],
});

function write(name: string, octets: Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, octets);
  return path;
}

/** The first octet of every packet, in the order in which they come. */
async function marks(records: CaptureRecords): Promise<number[]> {
  const found: number[] = [];
  let wake: () => void = () => {};
  records.onMore(() => wake());
  for (;;) {
    const state = records.next();
    if (state === RecordState.ended) break;
    if (state === RecordState.ready) {
      found.push(records.record.bytes[records.record.offset] as number);
    } else {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  }
  records.close();
  return found;
}

const MANY = Array.from({ length: 30_000 }, (_, i) => packet(1e12 + i, i & 255));

describe('capture files', () => {
  it('are read to the end, compressed or not', async () => {
    const octets = pcapFile(MANY, FORM);
    const wanted = MANY.map((_, i) => i & 255);
    expect(await marks(openCaptureFiles([write('a.pcap', octets)]))).toEqual(wanted);
    expect(await marks(openCaptureFiles([write('a.pcap.gz', gzipSync(octets))]))).toEqual(wanted);
    const half = octets.length >> 1;
    const members = [gzipSync(octets.subarray(0, half)), gzipSync(octets.subarray(half))];
    const path = write('members.gz', Buffer.concat(members));
    expect(await marks(openCaptureFiles([path]))).toEqual(wanted);
  });

  it('that are several come in the order of their times', async () => {
    const a = write('1.pcap', pcapFile([packet(1e6, 1), packet(3e6, 3), packet(9e6, 9)], FORM));
    const b = write('2.gz', gzipSync(pcapFile([packet(2e6, 2), packet(3e6, 4)], FORM)));
    const c = write('3.pcap', pcapFile([], FORM));
    expect(await marks(openCaptureFiles([a, b, c]))).toEqual([1, 2, 3, 4, 9]);
  });

  it('that are damaged are read up to there, and said to be', async () => {
    const octets = pcapFile([packet(1e6, 1), packet(2e6, 2)], FORM);
    for (const [name, file, reason] of [
      ['cut.pcap', octets.subarray(0, -1), /cut\.pcap' is damaged at octet 41: it ends within/],
      ['cut.gz', gzipSync(octets).subarray(0, -9), /cut\.gz' cannot be read to its end/],
      ['no.pcap', Buffer.from('no capture at all'), /no\.pcap' is damaged at octet 0/],
      ['empty', Buffer.alloc(0), /it is no capture file/],
      ['one', Buffer.alloc(1), /it is no capture file/],
    ] as const) {
      const records = openCaptureFiles([write(name, file)]);
      expect((await marks(records)).length, name).toBeLessThan(3);
      expect(records.faults, name).toHaveLength(1);
      expect(records.faults[0], name).toMatch(reason);
    }
  });

  it('that were cut while they were compressed give all packets that are left', async () => {
    const octets = pcapFile(MANY.slice(0, 2000), FORM);
    const whole = gzipSync(octets);
    for (const part of [0.2, 0.5, 0.9]) {
      const cut = whole.subarray(0, Math.floor(part * whole.length));
      const records = openCaptureFiles([write('short.gz', cut)]);
      const found = await marks(records);
      expect(found.length, String(part)).toBeGreaterThan(100);
      expect(found).toEqual(Array.from({ length: found.length }, (_, i) => i & 255));
      expect(records.faults).toHaveLength(1);
    }
  });

  it('row 115: a missing one is an error that names it', () => {
    const path = write('there.pcap', pcapFile([], FORM));
    expect(() => openCaptureFiles([path, join(folder, 'none.pcap')])).toThrow(
      /Cannot read the capture file '.*none\.pcap': there is no such file/,
    );
    expect(() => openCaptureFiles([folder])).toThrow(/it is a folder/);
  });
});
