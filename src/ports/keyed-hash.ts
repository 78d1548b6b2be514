/** HMAC-SHA-256 (RFC 2104, FIPS 180-4) under a key that only the implementation holds. */
export interface KeyedHash {
  /** The 32 octets for `message`; the result belongs to the caller. */
  sign(message: Uint8Array): Uint8Array;
}
