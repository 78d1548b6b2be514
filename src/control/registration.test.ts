import { describe, expect, it } from 'vitest';
import { memoryOf } from '../../test/property/wire-packets.ts';
import type { FlowKey } from '../base/flow-key.ts';
import { Memory } from '../base/memory.ts';
import { IpAddress, parseAddress } from '../wire/address.ts';
import {
  EncodeResult,
  RegistrationDecoder,
  RegistrationError,
  type RegistrationHandler,
  RegistrationType,
  writeRegistration,
  writeVersion,
} from './registration.ts';

/** Writes down what it is told. */
class Recorder implements RegistrationHandler {
  readonly heard: string[] = [];

  handleVersion(version: number): void {
    this.heard.push(`version ${version}`);
  }

  handleSessionAdd(key: FlowKey): void {
    this.heard.push(`add ${spell(key)}`);
  }

  handleSessionDelete(key: FlowKey): void {
    this.heard.push(`delete ${spell(key)}`);
  }
}

function spell({ words: w }: FlowKey): string {
  const client = new IpAddress(w[0]!, w[1]!, w[2]!, w[3]!);
  const target = new IpAddress(w[4]!, w[5]!, w[6]!, w[7]!);
  return `${client.toString()}:${w[8]! >>> 16} ${target.toString()}:${w[8]! & 0xffff}`;
}

const VERSION = [0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0];
const ADD = [0x0a, 1, 2, 3, 0x9c, 0x40, 0, 1, 0xc0, 0xa8, 0, 2, 0x1f, 0x90];
const DELETE = ADD.with(7, 2);
const ADDED = 'add 10.1.2.3:40000 192.168.0.2:8080';
const DELETED = 'delete 10.1.2.3:40000 192.168.0.2:8080';

/** Pushes the pieces and returns what was heard. */
function decode(...pieces: (readonly number[])[]): {
  decoder: RegistrationDecoder;
  heard: string[];
} {
  const decoder = new RegistrationDecoder();
  const recorder = new Recorder();
  for (const piece of pieces) decoder.push(memoryOf(piece), piece.length, recorder);
  return { decoder, heard: recorder.heard };
}

describe('registration messages', () => {
  it('version: the octets of the original', () => {
    const memory = Memory.alloc(32);
    memory.bytes.fill(0xff);
    writeVersion(memory, 3);
    expect(Array.from(memory.bytes.slice(2, 18))).toEqual([0xff, ...VERSION, 0xff]);
  });

  it.each([
    [RegistrationType.sessionAdd, ADD],
    [RegistrationType.sessionDelete, DELETE],
  ])('type %i: the octets of the original', (type, octets) => {
    const memory = Memory.alloc(32);
    memory.bytes.fill(0xff);
    const client = parseAddress('10.1.2.3')!;
    const target = parseAddress('192.168.0.2')!;
    expect(writeRegistration(memory, 3, type, client, 40_000, target, 8080)).toBe(EncodeResult.ok);
    expect(Array.from(memory.bytes.slice(2, 18))).toEqual([0xff, ...octets, 0xff]);
  });

  it('refuses an IPv6 session and writes nothing', () => {
    const memory = Memory.alloc(14);
    const [v4, v6] = [parseAddress('10.1.2.3')!, parseAddress('fd00::2')!];
    for (const [client, target] of [[v4, v6] as const, [v6, v4] as const]) {
      expect(writeRegistration(memory, 0, RegistrationType.sessionAdd, client, 1, target, 2)).toBe(
        EncodeResult.needsIpv6,
      );
    }
    expect(Array.from(memory.bytes)).toEqual(Array.from(new Uint8Array(memory.size)));
  });
});

describe('RegistrationDecoder', () => {
  it('reads any number of messages in one piece', () => {
    const { decoder, heard } = decode([...VERSION, ...ADD, ...DELETE, ...ADD]);
    expect(heard).toEqual(['version 6', ADDED, DELETED, ADDED]);
    expect(decoder.messages).toBe(4);
    expect(decoder.partial).toBe(0);
  });

  it('row 24: reads every split of two messages into three pieces alike', () => {
    const octets = [...VERSION, ...ADD];
    for (let a = 0; a <= octets.length; a++) {
      for (let b = a; b <= octets.length; b++) {
        const { heard } = decode(octets.slice(0, a), octets.slice(a, b), octets.slice(b));
        expect(heard).toEqual(['version 6', ADDED]);
      }
    }
  });

  it('reads octet by octet, and knows that a message is not complete', () => {
    const { decoder, heard } = decode(...[...VERSION, ...ADD].slice(0, -1).map((octet) => [octet]));
    expect(heard).toEqual(['version 6']);
    expect(decoder.partial).toBe(13);
  });

  it('accepts another version', () => {
    expect(decode(VERSION.with(7, 7), ADD).heard).toEqual(['version 7', ADDED]);
  });

  it.each([
    ['address', ADD.with(4, 0).with(5, 0)],
    ['port', [0, 0, 0, 0, ...ADD.slice(4)]],
  ])('rejects a first message with a client %s, and all that follows it', (_name, first) => {
    const { decoder, heard } = decode([...first, ...VERSION], ADD);
    expect(heard).toEqual([]);
    expect(decoder.error).toBe(RegistrationError.noVersion);
    expect(decoder.messages).toBe(1);
  });

  it.each([0, 3, 6, 99, 0xffff])('passes over type %i and keeps the framing', (type) => {
    const unknown = ADD.with(6, type >>> 8).with(7, type & 255);
    const { decoder, heard } = decode([...VERSION, ...unknown, ...ADD]);
    expect(heard).toEqual(['version 6', ADDED]);
    expect(decoder.ignored).toBe(1);
    expect(decoder.error).toBe(RegistrationError.none);
  });
});
