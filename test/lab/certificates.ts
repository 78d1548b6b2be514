import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

const EC = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];

/** Certificates and their keys in one folder, `NAME.pem` and `NAME.key`. */
export class Certificates {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** A certificate authority. */
  makeCa(name: string): void {
    const out = ['-keyout', `${name}.key`, '-out', `${name}.pem`, '-days', '2'];
    this.#openssl('req', '-x509', ...EC, '-subj', `/CN=${name}`, ...out);
  }

  /** A certificate for `who` that `ca` vouches for, for so many days. */
  certify(name: string, who: string, ca: string, days: number): void {
    const request = ['-keyout', `${name}.key`, '-out', `${name}.csr`];
    this.#openssl('req', ...EC, '-subj', '/CN=intercept', ...request);
    writeFileSync(join(this.#folder, 'names'), `subjectAltName=${who}\n`);
    const by = ['-CA', `${ca}.pem`, '-CAkey', `${ca}.key`, '-CAcreateserial', '-extfile', 'names'];
    const out = ['-days', String(days), '-out', `${name}.pem`];
    this.#openssl('x509', '-req', '-in', `${name}.csr`, ...by, ...out);
  }

  #openssl(...args: readonly string[]): void {
    execFileSync('openssl', args, { stdio: 'ignore', cwd: this.#folder });
  }
}
