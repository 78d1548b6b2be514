import type { Signer } from './signer.ts';

/** Of a nonce, a channel binding and a proof, in octets. */
export const SECRET_LENGTH = 32;
/** Of the hello behind its mark: version, flags, capabilities and nonce. */
export const HELLO_BODY_LENGTH = 40;

const LABEL_LENGTH = 20;
const TRANSCRIPT_LENGTH = LABEL_LENGTH + 2 + HELLO_BODY_LENGTH + 2 * SECRET_LENGTH;

/** Who proves: of the same length, so that no transcript of one is a transcript of the other. */
export const Prover = {
  tcpcopy: 'tcpcopy to intercept',
  intercept: 'intercept to tcpcopy',
} as const;
export type Prover = (typeof Prover)[keyof typeof Prover];

/** What both ends have seen of one handshake. Fresh nonces from both make each unlike all others, so no proof fits twice. */
export interface Handshake {
  /** The version in the offer: a third party that lowered it would spoil the proof. */
  readonly offered: number;
  /** The hello behind its mark. */
  readonly hello: Uint8Array;
  readonly clientNonce: Uint8Array;
  readonly channelBinding: Uint8Array | undefined;
}

/** The proof that `prover` gives of the key, 32 octets. */
export function prove(signer: Signer, prover: Prover, handshake: Handshake): Uint8Array {
  const { offered, hello, clientNonce, channelBinding } = handshake;
  const transcript = new Uint8Array(TRANSCRIPT_LENGTH);
  for (let i = 0; i < LABEL_LENGTH; i++) transcript[i] = prover.charCodeAt(i);
  transcript[LABEL_LENGTH] = offered >>> 8;
  transcript[LABEL_LENGTH + 1] = offered & 255;
  let at = LABEL_LENGTH + 2;
  transcript.set(hello, at);
  at += HELLO_BODY_LENGTH;
  transcript.set(clientNonce, at);
  at += SECRET_LENGTH;
  if (channelBinding !== undefined) transcript.set(channelBinding, at);
  return signer.sign(transcript);
}

/** Whether both are the same 32 octets. Takes as long when the first octet differs as when the last one does. */
export function sameProof(a: Uint8Array, b: Uint8Array): boolean {
  let difference = a.length ^ b.length;
  for (let i = 0; i < SECRET_LENGTH; i++) {
    difference |= (a[i] as number) ^ (b[i] as number);
  }
  return difference === 0;
}
