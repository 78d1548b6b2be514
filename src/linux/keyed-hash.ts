import { createHmac, createSecretKey, type KeyObject } from 'node:crypto';
import type { KeyedHash } from '../ports/keyed-hash.ts';

/** HMAC-SHA-256 by OpenSSL. The key is copied into memory of OpenSSL's; the caller may wipe its own copy. */
export class HmacSha256 implements KeyedHash {
  readonly #key: KeyObject;

  /** `key`: any length but 0 (RFC 2104 §3: 32 octets or more are as strong as the hash). */
  constructor(key: Uint8Array) {
    this.#key = createSecretKey(key);
  }

  sign(message: Uint8Array): Uint8Array {
    return createHmac('sha256', this.#key).update(message).digest();
  }
}
