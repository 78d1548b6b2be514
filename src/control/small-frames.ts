import type { FlowKey } from '../base/flow-key.ts';
import type { Memory } from '../base/memory.ts';
import { IpAddress } from '../wire/address.ts';
import {
  beginFrame,
  COUNT_RECORD,
  extendFrame,
  FrameType,
  INSTANCE_LENGTH,
  MAX_BYE_TEXT,
  MAX_TARGETS,
  maxBody,
  SESSION_RECORD,
  TARGET_RECORD,
} from './extended-frame.ts';
import type { OutBuffer } from './out-buffer.ts';
import { decodeText, encodeText } from './text.ts';

/** Where responses come from: port 0 is every port, an address all zero is every address. */
export interface ControlTarget {
  readonly address: IpAddress;
  readonly port: number;
}

/** Why a connection is about to be closed. */
export const ByeCode = {
  /** The program ends, or the connection is not needed any more. */
  done: 1,
  /** The peer must prove a key and has not. */
  keyRequired: 2,
  /** The peer's proof does not fit. */
  wrongKey: 3,
  /** What the peer sent cannot be read. */
  malformed: 4,
  /** The peer wants what this end does not do. */
  notSupported: 5,
  /** A limit on connections or registrations. */
  limit: 6,
  /** The peer does not read, or stalls within a message. */
  slow: 7,
} as const;
export type ByeCode = (typeof ByeCode)[keyof typeof ByeCode];

/** Writes `message` of a session into the open frame of `type`, or another. False when there is no room. */
export function addSession(
  out: OutBuffer,
  type: typeof FrameType.register | typeof FrameType.end,
  client: IpAddress,
  clientPort: number,
  target: IpAddress,
  targetPort: number,
): boolean {
  const at = extendFrame(out, type, SESSION_RECORD, maxBody(type));
  if (at < 0) return false;
  const { view } = out.memory;
  writeAddress(out.memory, at, client);
  writeAddress(out.memory, at + 16, target);
  view.setUint16(at + 32, clientPort);
  view.setUint16(at + 34, targetPort);
  view.setInt32(at + 36, 0);
  return true;
}

/** Tells that a session is another's, as `addSession` does. The near end of `key` is the client, the far end the target. */
export function addTaken(out: OutBuffer, { words }: FlowKey): boolean {
  const at = extendFrame(out, FrameType.taken, SESSION_RECORD, maxBody(FrameType.taken));
  if (at < 0) return false;
  const { view } = out.memory;
  for (let i = 0; i < 9; i++) view.setInt32(at + 4 * i, words[i] as number);
  view.setInt32(at + 36, 0);
  return true;
}

/** The ends of the session whose record is at `memory[at …]`, into `key`. */
export function readSession(memory: Memory, at: number, key: FlowKey): FlowKey {
  const { view } = memory;
  const { words } = key;
  // Both ports are one word, as in the key.
  for (let i = 0; i < 9; i++) words[i] = view.getInt32(at + 4 * i);
  return key;
}

/** The number of a running tcpcopy at `memory[offset …]`, as a name for it. */
export function readInstance({ bytes }: Memory, offset: number): string {
  let name = '';
  for (let at = offset; at < offset + INSTANCE_LENGTH; at++) {
    name += (bytes[at] as number).toString(16).padStart(2, '0');
  }
  return name;
}

function writeAddress(memory: Memory, at: number, address: IpAddress): void {
  const { view } = memory;
  view.setInt32(at, address.w0);
  view.setInt32(at + 4, address.w1);
  view.setInt32(at + 8, address.w2);
  view.setInt32(at + 12, address.w3);
}

const ANYTHING: readonly ControlTarget[] = [{ address: new IpAddress(0, 0, 0, 0), port: 0 }];

/** The whole list; of one that is too long to be sent, a list that says "everything". */
export function addTargets(out: OutBuffer, targets: readonly ControlTarget[]): boolean {
  const list = targets.length > MAX_TARGETS ? ANYTHING : targets;
  let at = beginFrame(out, FrameType.targets, list.length * TARGET_RECORD);
  if (at < 0) return false;
  for (const { address, port } of list) {
    writeAddress(out.memory, at, address);
    out.memory.view.setUint16(at + 16, port);
    out.memory.view.setUint16(at + 18, 0);
    at += TARGET_RECORD;
  }
  return true;
}

export function readTargets(memory: Memory, offset: number, length: number): ControlTarget[] {
  const { view } = memory;
  const targets: ControlTarget[] = [];
  for (let at = offset; at < offset + length; at += TARGET_RECORD) {
    const word = (i: number): number => view.getInt32(at + 4 * i);
    const address = new IpAddress(word(0), word(1), word(2), word(3));
    targets.push({ address, port: view.getUint16(at + 16) });
  }
  return targets;
}

export function addSettings(out: OutBuffer, payload: number): boolean {
  const at = beginFrame(out, FrameType.settings, 4);
  if (at >= 0) out.memory.view.setUint32(at, payload);
  return at >= 0;
}

/** Copies `octets` into a frame by itself; their number a multiple of 4. */
export function addOctets(
  out: OutBuffer,
  type: FrameType,
  ...parts: readonly Uint8Array[]
): boolean {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  let at = beginFrame(out, type, length);
  if (at < 0) return false;
  for (const part of parts) {
    out.memory.bytes.set(part, at);
    at += part.length;
  }
  return true;
}

/** `value` an integer from 0 to 2⁵³−1. */
export function addCount(out: OutBuffer, id: number, value: number): boolean {
  const at = extendFrame(out, FrameType.counts, COUNT_RECORD, maxBody(FrameType.counts));
  if (at < 0) return false;
  out.memory.view.setUint16(at, id);
  out.memory.view.setUint16(at + 2, 0);
  writeU64(out.memory, at + 4, value);
  return true;
}

/** `token` an integer from 0 to 2⁵³−1. */
export function addPing(out: OutBuffer, token: number): boolean {
  const at = beginFrame(out, FrameType.ping, 8);
  if (at >= 0) writeU64(out.memory, at, token);
  return at >= 0;
}

/** The answer to the PING whose body is at `memory[offset …]`. */
export function addPong(out: OutBuffer, memory: Memory, offset: number): boolean {
  const at = beginFrame(out, FrameType.pong, 8);
  if (at < 0) return false;
  for (let i = 0; i < 8; i++) out.memory.bytes[at + i] = memory.bytes[offset + i] as number;
  return true;
}

/** Of a number above 2⁵³ the low bits are lost. */
export const readU64 = (memory: Memory, offset: number): number =>
  memory.view.getUint32(offset) * 0x1_0000_0000 + memory.view.getUint32(offset + 4);

function writeU64(memory: Memory, offset: number, value: number): void {
  memory.view.setUint32(offset, value / 0x1_0000_0000);
  memory.view.setUint32(offset + 4, value);
}

export function addBye(out: OutBuffer, code: number, text: string): boolean {
  const octets = encodeText(text, MAX_BYE_TEXT);
  const at = beginFrame(out, FrameType.bye, 4 + ((octets.length + 3) & ~3));
  if (at < 0) return false;
  const { bytes, view } = out.memory;
  view.setUint16(at, code);
  view.setUint16(at + 2, octets.length);
  bytes.fill(0, at + 4, at + 4 + ((octets.length + 3) & ~3));
  bytes.set(octets, at + 4);
  return true;
}

/** For people: what a BYE of `length` octets says; an empty text is replaced by its code. */
export function readBye(memory: Memory, offset: number, length: number): string {
  const said = Math.min(memory.view.getUint16(offset + 2), length - 4);
  const text = decodeText(memory, offset + 4, said);
  return text === '' ? `code ${memory.view.getUint16(offset)}` : text;
}
