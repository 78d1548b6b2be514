import { it } from 'vitest';
import { type Duration, millis } from '../../src/base/time.ts';
import { Dialogue, type Line } from '../../src/testing/dialogue.ts';
import type { HarnessOptions } from '../../src/testing/harness.ts';

/** A test in the form of a dialogue. At its end every copy must end too, and leave nothing behind. */
export function dialogue(
  name: string,
  body: (d: Dialogue) => void,
  options: HarnessOptions = {},
): void {
  it(name, () => {
    const d = new Dialogue(options);
    body(d);
    d.takeSent();
    d.finish();
  });
}

/** Initial sequence numbers: the client's, the online server's, the target's. */
export const CLIENT_ISN = 1000;
export const ONLINE_ISN = 5000;
export const TARGET_ISN = 9000;

export interface Opening {
  /** Of the client to the online server. */
  readonly rtt?: Duration;
  readonly syn?: Line;
  readonly synAck?: Line;
  /** The client's initial sequence number. */
  readonly isn?: number;
}

/** The handshake, up to the client's and our own third segment. */
export function establish(d: Dialogue, opening: Opening = {}): void {
  const { rtt = millis(1), syn = {}, synAck = {}, isn = CLIENT_ISN } = opening;
  d.client('S', { seq: isn, mss: 1460, ...syn });
  d.expect('S', { seq: isn });
  d.target('SA', { seq: TARGET_ISN, ack: isn + 1, mss: 1460, ...synAck });
  d.advance(rtt);
  const echo = syn.timestamps ? { timestamps: [syn.timestamps[0] + 1, 1] as const } : {};
  d.client('A', { seq: isn + 1, ack: ONLINE_ISN + 1, ...echo });
  d.expect('A', { seq: isn + 1, ack: TARGET_ISN + 1 });
  d.expectNothing();
}
