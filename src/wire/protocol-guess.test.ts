import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Memory } from '../base/memory.ts';
import { guessGreeting, guessProtocol, Protocol, PROTOCOL_NAMES } from './protocol-guess.ts';

const memoryOf = (octets: Uint8Array): Memory => {
  const memory = Memory.alloc(octets.length + 3);
  memory.bytes.set(octets, 3);
  return memory;
};
const octetsOf = (text: string): Uint8Array => Uint8Array.from(text, (c) => c.charCodeAt(0));
const hex = (text: string): Uint8Array =>
  Uint8Array.from(Buffer.from(text.replaceAll(' ', ''), 'hex'));
const guess = (octets: Uint8Array): Protocol => guessProtocol(memoryOf(octets), 3, octets.length);

describe('what a client begins with', () => {
  it.each([
    ['HTTP/1', octetsOf('GET / HTTP/1.1\r\n')],
    ['HTTP/1', octetsOf('DELETE /a HTTP/1.1\r\n')],
    ['HTTP/2', octetsOf('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')],
    ['TLS', hex('16 03 01 02 00 01 00 01 fc 03 03')],
    ['Redis', octetsOf('*2\r\n$3\r\nGET\r\n$1\r\na\r\n')],
    ['memcached', octetsOf('get key\r\n')],
    ['memcached', hex('80 00 0003 00 00 0000 00000003 00000000 0000000000000000 616263')],
    ['PostgreSQL', hex('00000016 00030000 75736572 00 61 00 64 62 00 61 00 00 00')],
    ['PostgreSQL', hex('00000008 04d2162f')],
    ['SSH', octetsOf('SSH-2.0-OpenSSH_9.2\r\n')],
    ['MongoDB', hex('14000000 01000000 00000000 dd070000 00000000')],
    ['MQTT', hex('10 10 0004 4d515454 04 02 003c 0004 61626364')],
    ['DNS', hex('001d 1234 0100 0001 0000 0000 0000 07 6578616d706c65 03 636f6d 00 0001 0001')],
    ['of an unknown protocol', octetsOf('hello, world')],
    ['of an unknown protocol', octetsOf('GE')],
    ['of an unknown protocol', new Uint8Array(0)],
  ])('%s', (name, octets) => {
    expect(PROTOCOL_NAMES[guess(octets)]).toBe(name);
  });

  it('is looked at within its bounds, whatever it is', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (octets) => {
        const memory = memoryOf(octets);
        expect(PROTOCOL_NAMES[guessProtocol(memory, 3, octets.length)]).toBeDefined();
        expect(PROTOCOL_NAMES[guessGreeting(memory, 3, octets.length)]).toBeDefined();
      }),
    );
  });
});

describe('what a server greets with', () => {
  it('tells MySQL and SSH', () => {
    const greeting = hex('0a 382e302e333600 08000000');
    const mysql = Uint8Array.of(greeting.length, 0, 0, 0, ...greeting);
    expect(guessGreeting(memoryOf(mysql), 3, mysql.length)).toBe(Protocol.mysql);
    const ssh = octetsOf('SSH-2.0-x\r\n');
    expect(guessGreeting(memoryOf(ssh), 3, ssh.length)).toBe(Protocol.ssh);
    const smtp = octetsOf('220 mail ready\r\n');
    expect(guessGreeting(memoryOf(smtp), 3, smtp.length)).toBe(Protocol.unknown);
  });

  it('has a name for each', () => {
    expect(PROTOCOL_NAMES).toHaveLength(Object.keys(Protocol).length);
  });
});
