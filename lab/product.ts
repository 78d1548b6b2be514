import { join } from 'node:path';
import { repositoryRoot } from './paths.ts';

export type CapturedPacket = import('../src/ports/packet-source.ts').CapturedPacket;
export type PacketHandler = import('../src/ports/packet-source.ts').PacketHandler;
export type Duration = import('../src/base/time.ts').Duration;
export type Instant = import('../src/base/time.ts').Instant;

/** Folders of `src` that programs of the lab may use. They are separate projects, so what runs is found where it is built. */
interface Product {
  readonly 'linux/packet-socket': typeof import('../src/linux/packet-socket.ts');
  readonly 'linux/raw-sender': typeof import('../src/linux/raw-sender.ts');
  readonly 'linux/reactor': typeof import('../src/linux/reactor.ts');
  readonly 'base/memory': typeof import('../src/base/memory.ts');
  readonly 'wire/packet-view': typeof import('../src/wire/packet-view.ts');
}

/** Loads a built module of the product. */
export const product = <Name extends keyof Product>(name: Name): Promise<Product[Name]> =>
  import(join(repositoryRoot, 'dist', `${name}.js`)) as Promise<Product[Name]>;
