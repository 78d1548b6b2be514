import type { IpAddress } from '../wire/address.ts';
import { FrameType } from './extended-frame.ts';
import { Capability } from './hello.ts';
import type { OutBuffer } from './out-buffer.ts';
import {
  EncodeResult,
  REGISTRATION_LENGTH,
  RegistrationType,
  writeRegistration,
} from './registration.ts';
import { addSession } from './small-frames.ts';
import { TellResult } from './stage.ts';

/** Says the beginning or the end of a session in a message of version 6. */
export function tellVersion6(
  out: OutBuffer,
  type: RegistrationType,
  client: IpAddress,
  clientPort: number,
  target: IpAddress,
  targetPort: number,
): TellResult {
  if (!out.reserve(REGISTRATION_LENGTH)) return TellResult.full;
  const { memory, length } = out;
  const done = writeRegistration(memory, length, type, client, clientPort, target, targetPort);
  if (done !== EncodeResult.ok) return TellResult.needsIpv6;
  out.take(REGISTRATION_LENGTH);
  return TellResult.ok;
}

/** The same in an extended frame, to an intercept with these capabilities. */
export function tellExtended(
  out: OutBuffer,
  capabilities: number,
  type: RegistrationType,
  client: IpAddress,
  clientPort: number,
  target: IpAddress,
  targetPort: number,
): TellResult {
  const isEnd = type === RegistrationType.sessionDelete;
  if (isEnd && (capabilities & Capability.sessionEnd) === 0) return TellResult.ok;
  const isV4 = client.family === 4 && target.family === 4;
  if (!isV4 && (capabilities & Capability.ipv6) === 0) return TellResult.needsIpv6;
  const frame = isEnd ? FrameType.end : FrameType.register;
  return addSession(out, frame, client, clientPort, target, targetPort)
    ? TellResult.ok
    : TellResult.full;
}
