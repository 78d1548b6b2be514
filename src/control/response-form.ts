import { MESSAGE_LENGTH, PAYLOAD_MESSAGE_LENGTH } from './response-message.ts';

/** Messages in one frame, at the most. */
export const MAX_FRAME_MESSAGES = 16;
/** The same in payload mode. */
const MAX_PAYLOAD_FRAME_MESSAGES = 6;
/** Of the count. */
export const FRAME_HEADER_LENGTH = 2;
/** Of the longest frame of headers, in octets: 1026. */
export const MAX_FRAME_LENGTH: number = FRAME_HEADER_LENGTH + MAX_FRAME_MESSAGES * MESSAGE_LENGTH;

/**
 * How responses travel in version 6. The original chooses it when it is built, and nothing in the stream says so: both ends must
 * have been told the same.
 */
export interface ResponseForm {
  /** Octets of the count that begins a frame; 0 where there are no frames. */
  readonly frameHeader: number;
  /** Messages in one frame, at the most. Without frames, those that what gathers for a slow peer is measured by. */
  readonly maxMessages: number;
  /** Octets of one message: 64 of headers, and the payload. */
  readonly messageLength: number;
}

/** Headers alone, in frames: the default build. */
export const COMBINED: ResponseForm = {
  frameHeader: FRAME_HEADER_LENGTH,
  maxMessages: MAX_FRAME_MESSAGES,
  messageLength: MESSAGE_LENGTH,
};

/** Headers and up to 128 octets of payload, in frames (`--with-resp-payload`). */
export const COMBINED_WITH_PAYLOAD: ResponseForm = {
  frameHeader: FRAME_HEADER_LENGTH,
  maxMessages: MAX_PAYLOAD_FRAME_MESSAGES,
  messageLength: PAYLOAD_MESSAGE_LENGTH,
};

/** Headers alone, one message after another without frames (`--disable-combined`). The original has no such build with payload. */
export const BARE: ResponseForm = {
  frameHeader: 0,
  maxMessages: MAX_FRAME_MESSAGES,
  messageLength: MESSAGE_LENGTH,
};

/** Octets of payload that a message has room for. */
export const payloadRoomOf = (form: ResponseForm): number => form.messageLength - MESSAGE_LENGTH;
