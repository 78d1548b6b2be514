/**
 * HMAC-SHA-256 (RFC 2104, FIPS 180-4) under the pre-shared key. `KeyedHash` of `src/ports` fits; this layer stands beside the
 * ports and does not know them.
 */
export interface Signer {
  /** The 32 octets for `message`; the result belongs to the caller. */
  sign(message: Uint8Array): Uint8Array;
}
