import { FrameType } from './extended-frame.ts';
import { Capability } from './hello.ts';
import type { OutBuffer } from './out-buffer.ts';
import { addOctets, addSettings, addTargets, type ControlTarget } from './small-frames.ts';
import type { TcpcopyEndOptions } from './tcpcopy-end-options.ts';

/** What tcpcopy says of itself and of what it wants: as soon as intercept understands it and there is room for it. */
export class Announcements {
  readonly #instance: Uint8Array | undefined;
  #targets: readonly ControlTarget[];
  #payload: number;
  /** What the peer can do. */
  #capabilities = 0;
  #instanceDue = false;
  #targetsDue = false;
  #payloadDue = false;

  constructor({ instance, targets, payload }: TcpcopyEndOptions) {
    this.#instance = instance;
    this.#targets = targets ?? [];
    this.#payload = payload ?? 0;
  }

  /** Of a peer with these capabilities. */
  hasLeases(capabilities: number): boolean {
    return this.#instance !== undefined && (capabilities & Capability.leases) !== 0;
  }

  setTargets(targets: readonly ControlTarget[]): void {
    this.#targets = targets;
    this.#targetsDue = true;
  }

  setPayload(octets: number): void {
    this.#payload = octets;
    this.#payloadDue = true;
  }

  /** From here on all is said in extended frames. */
  begin(capabilities: number): void {
    this.#capabilities = capabilities;
    this.#instanceDue = this.hasLeases(capabilities);
    this.#payloadDue = this.#payload > 0;
    this.#targetsDue = this.#targets.length > 0;
  }

  /** Says what is due. Which tcpcopy it is comes first, before any registration. */
  sendDue(out: OutBuffer): void {
    if (this.#instanceDue && this.#instance !== undefined) {
      this.#instanceDue = !addOctets(out, FrameType.instance, this.#instance);
    }
    if (this.#payloadDue && (this.#capabilities & Capability.payload) !== 0) {
      this.#payloadDue = !addSettings(out, this.#payload);
    }
    if (this.#targetsDue) this.#targetsDue = !addTargets(out, this.#targets);
  }
}
