import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { HmacSha256 } from '../linux/keyed-hash.ts';
import type { KeyedHash } from '../ports/keyed-hash.ts';
import { errnoWords } from './errno.ts';
import { ExitCode, StartError } from './exit-codes.ts';

/** Octets of a pre-shared key: fewer could be guessed, more are a mistake in the file name. */
const MIN_KEY = 16;
const MAX_KEY = 4096;
/** Octets of a file of certificates: all those of a distribution have a quarter of it. */
const MAX_FILE = 1 << 20;
/** Permission bits by which others than the owner read or change a file. */
const OPEN_TO_OTHERS = 0o037;

const NEW_KEY = 'To make one: (umask 077; openssl rand -hex 32 > FILE), and copy it to both hosts.';

/**
 * The pre-shared key in a file: all of it but the line end.
 * @throws StartError
 */
export function readKey(file: string): KeyedHash {
  const { content, mode } = readPrivate(file, '--key-file');
  let { length } = content;
  while (length > 0 && (content[length - 1] === 0x0a || content[length - 1] === 0x0d)) length--;
  refuseOpen(mode, file, '--key-file');
  if (length < MIN_KEY || length > MAX_KEY) {
    throw new StartError(
      ExitCode.config,
      `Cannot use --key-file ${file}: it holds ${length} octets; expected ${MIN_KEY} to ${MAX_KEY}`,
      NEW_KEY,
    );
  }
  const key = new HmacSha256(content.subarray(0, length));
  content.fill(0);
  return key;
}

/**
 * Certificates in PEM.
 * @throws StartError
 */
export function readCertificates(file: string, option: string): string {
  const text = readPrivate(file, option).content.toString('latin1');
  try {
    void new X509Certificate(text);
  } catch {
    throw notPem(file, option, 'a certificate', 'BEGIN CERTIFICATE');
  }
  return text;
}

/**
 * A private key in PEM, not encrypted.
 * @throws StartError
 */
function readPrivateKey(file: string, option: string): string {
  const { content, mode } = readPrivate(file, option);
  refuseOpen(mode, file, option);
  const text = content.toString('latin1');
  try {
    createPrivateKey(text);
  } catch {
    throw notPem(file, option, 'a private key without a passphrase', 'BEGIN PRIVATE KEY');
  }
  return text;
}

/**
 * The certificate of `files` and its private key.
 * @throws StartError
 */
export function readIdentity(files: { readonly certificate: string; readonly key: string }): {
  readonly certificate: string;
  readonly key: string;
} {
  const certificate = readCertificates(files.certificate, '--tls-cert');
  const key = readPrivateKey(files.key, '--tls-key');
  if (!new X509Certificate(certificate).checkPrivateKey(createPrivateKey(key))) {
    throw new StartError(
      ExitCode.config,
      `Cannot use --tls-key ${files.key}: it is not the key of the certificate in --tls-cert ${files.certificate}`,
      'In a file with several certificates, that of intercept itself must be the first.',
    );
  }
  return { certificate, key };
}

function readPrivate(file: string, option: string): { content: Buffer; mode: number } {
  let fd: number | undefined;
  try {
    // Without O_NONBLOCK a named pipe would keep us until somebody writes to it.
    fd = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
    const found = fstatSync(fd);
    const { mode, size } = found;
    if (!found.isFile()) throw notRegular(file, option);
    if (size > MAX_FILE) throw tooLong(file, option, size);
    return { content: readFileSync(fd), mode };
  } catch (error) {
    if (error instanceof StartError) throw error;
    throw new StartError(
      ExitCode.config,
      `Cannot read ${option} ${file}: ${errnoWords(error)}`,
      option === '--key-file' ? NEW_KEY : '',
    );
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

function refuseOpen(mode: number, file: string, option: string): void {
  if ((mode & OPEN_TO_OTHERS) === 0) return;
  const found = (mode & 0o777).toString(8).padStart(3, '0');
  throw new StartError(
    ExitCode.config,
    `Cannot use ${option} ${file}: its mode is ${found}, so that others can read or change it; expected 600 or 640`,
    `chmod 600 ${file}`,
  );
}

const notRegular = (file: string, option: string): StartError =>
  new StartError(
    ExitCode.config,
    `Cannot use ${option} ${file}: it is a directory, a pipe or a device; expected a regular file`,
    option === '--key-file' ? NEW_KEY : '',
  );

const tooLong = (file: string, option: string, size: number): StartError =>
  new StartError(
    ExitCode.config,
    `Cannot use ${option} ${file}: it holds ${size} octets; expected ${MAX_FILE} at the most`,
  );

const notPem = (file: string, option: string, what: string, line: string): StartError =>
  new StartError(
    ExitCode.config,
    `Cannot use ${option} ${file}: expected ${what} in PEM form (a line "-----${line}-----")`,
  );
