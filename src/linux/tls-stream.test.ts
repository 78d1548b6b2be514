import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { type AddressInfo, createConnection, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Memory } from '../base/memory.ts';
import type { ByteStream } from '../ports/stream.ts';
import { parseAddress } from '../wire/address.ts';
import type { Listener } from './tcp-listener.ts';
import { connectTls } from './tls-connect.ts';
import { listenTls } from './tls-listener.ts';

const LOOPBACK = parseAddress('127.0.0.1') as NonNullable<ReturnType<typeof parseAddress>>;
const folder = mkdtempSync(join(tmpdir(), 'tcpcopy-tls-'));
const read = (name: string): string => readFileSync(join(folder, name), 'utf8');

/** A key and a certificate that vouches for itself, for `name`. */
function makeCertificate(file: string, name: string): void {
  const out = ['-keyout', join(folder, `${file}.key`), '-out', join(folder, `${file}.pem`)];
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];
  const subject = ['-subj', '/CN=intercept', '-addext', `subjectAltName=${name}`];
  execFileSync('openssl', ['req', '-x509', ...kind, ...subject, ...out], { stdio: 'ignore' });
}

beforeAll(() => {
  makeCertificate('here', 'IP:127.0.0.1');
  makeCertificate('elsewhere', 'DNS:elsewhere.example');
});
afterAll(() => rmSync(folder, { recursive: true }));

let listener: Listener | undefined;
const accepted: ByteStream[] = [];
const refused: string[] = [];
afterEach(() => {
  listener?.close();
  for (const stream of accepted.splice(0)) stream.close();
  refused.length = 0;
});

const listen = async (name: string, handshakeTimeout = 5000): Promise<number> => {
  listener = await listenTls({
    address: LOOPBACK,
    port: 0,
    backlog: 64,
    certificate: read(`${name}.pem`),
    key: read(`${name}.key`),
    handshakeTimeout,
    onConnection: (stream) => accepted.push(stream),
    onRefused: (peer, reason) => refused.push(`${peer} ${reason}`),
  });
  return listener.port;
};
const connect = (port: number, trusted: string): Promise<ByteStream> =>
  connectTls(LOOPBACK, port, 5000, { host: '127.0.0.1', trusted: read(trusted) });

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

async function until(done: () => boolean): Promise<void> {
  while (!done()) await new Promise((resolve) => setTimeout(resolve, 5));
}

describe('a stream over TLS', () => {
  it('carries octets both ways, and both ends know the same secret of the channel', async () => {
    const near = await connect(await listen('here'), 'here.pem');
    await until(() => accepted.length === 1);
    const far = accepted[0] as ByteStream;
    expect(near.channelBinding).toHaveLength(32);
    expect(near.channelBinding).toEqual(far.channelBinding);
    const got: number[] = [];
    let closed = '';
    const handleClose = (reason: string): void => {
      closed = reason;
    };
    far.start({ handleData: (m, n) => far.send(m, 0, n), handleClose });
    near.start({
      handleData: (m, n) => got.push(...m.bytes.slice(0, n)),
      handleClose: () => undefined,
    });
    const memory = Memory.alloc(200_000);
    for (let i = 0; i < memory.size; i++) memory.bytes[i] = i % 251;
    expect(near.send(memory, 1, 150_000)).toBe(true);
    memory.bytes.fill(0); // What was sent is the stream's own.
    await until(() => got.length >= 150_000);
    expect(got.findIndex((octet, i) => octet !== (i + 1) % 251)).toBe(-1);
    near.close();
    await until(() => closed !== '');
    expect(closed).toMatch(/closed/);
  });

  it('has another secret for each connection', async () => {
    const port = await listen('here');
    const [one, two] = [await connect(port, 'here.pem'), await connect(port, 'here.pem')];
    expect(one.channelBinding).not.toEqual(two.channelBinding);
    one.close();
    two.close();
  });

  it('takes nothing more than its limit for a peer that does not read', async () => {
    const near = await connect(await listen('here'), 'here.pem');
    const memory = Memory.alloc(65_536);
    let sent = 0;
    while (near.send(memory, 0, memory.size) && sent < 1000) sent++;
    expect(sent).toBeGreaterThan(0);
    expect(sent).toBeLessThan(1000);
    near.close();
  });
});

describe('refusals of TLS name their cause', () => {
  it('a certificate that nobody vouches for', async () => {
    await expect(connect(await listen('here'), 'elsewhere.pem')).rejects.toThrow(/--tls-ca/);
  });

  it('a certificate made out to another name', async () => {
    await expect(connect(await listen('elsewhere'), 'elsewhere.pem')).rejects.toThrow(
      /made out to another name/,
    );
  });

  it('a peer that does not speak TLS, seen from the listener', async () => {
    const port = await listen('here');
    const socket = createConnection(port, '127.0.0.1');
    socket.on('error', () => undefined);
    socket.write(Buffer.alloc(14, 6));
    // The listener of another test may tell of a peer that broke off.
    await until(() => refused.some((reason) => reason.includes('does not speak TLS')));
    socket.destroy();
  });

  it('a peer that breaks the handshake off, by its address', async () => {
    const port = await listen('here');
    refused.length = 0;
    const socket = createConnection(port, '127.0.0.1', () => socket.resetAndDestroy());
    socket.on('error', () => undefined);
    await until(() => refused.length > 0);
    expect(refused[0]).toMatch(/^127\.0\.0\.1:\d+ it broke off the TLS handshake/);
  });

  it('a plain listener', async () => {
    const server = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1');
    await until(() => server.listening);
    const { port } = server.address() as AddressInfo;
    await expect(connect(port, 'here.pem')).rejects.toThrow(/does it speak TLS\?/);
    server.close();
  });
});

describe('peers that connect and say nothing over TLS', () => {
  const crowd = (port: number, count: number): Socket[] =>
    Array.from({ length: count }, () => {
      const socket = createConnection(port, '127.0.0.1');
      socket.on('error', () => undefined);
      socket.resume();
      return socket;
    });

  it('are no more than 16 of one address at once', async () => {
    const port = await listen('here', 500);
    refused.length = 0;
    const sockets = crowd(port, 20);
    await until(() => refused.length === 4);
    expect(refused.join()).toContain('too many TLS handshakes at once from one address');
    for (const socket of sockets) socket.destroy();
    await until(() => refused.length === 20);
    const near = await connect(port, 'here.pem');
    await until(() => accepted.length === 1);
    near.close();
  });

  it('are closed in time, and others connect again', async () => {
    const port = await listen('here', 200);
    refused.length = 0;
    crowd(port, 16);
    await until(() => refused.length === 16);
    expect(refused.join()).toContain('did not complete the TLS handshake in time');
    const near = await connect(port, 'here.pem');
    await until(() => accepted.length === 1);
    near.close();
  });
});

describe('a peer that never reads', () => {
  it('is let go a second after we close, with what waits for it', async () => {
    const near = await connect(await listen('here'), 'here.pem');
    await until(() => accepted.length === 1);
    const far = accepted[0] as ByteStream;
    const memory = Memory.alloc(65_536);
    let sent = 0;
    for (; far.send(memory, 0, memory.size); sent += memory.size) await turn();
    far.close();
    await new Promise((resolve) => setTimeout(resolve, 1500));
    let came = 0;
    let isClosed = false;
    const handleClose = (): void => {
      isClosed = true;
    };
    near.start({ handleData: (_memory, length) => void (came += length), handleClose });
    await until(() => isClosed);
    expect(sent).toBeGreaterThan(1_000_000);
    expect(came).toBeLessThan(sent);
  });
});
