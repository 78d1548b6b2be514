import { FlowKey } from '../base/flow-key.ts';
import { FlowTable } from '../base/flow-table.ts';
import { type CaptureRecords, RecordState } from '../ports/capture-records.ts';
import type { TransferTable } from '../replay/transfers.ts';
import type { PacketView } from '../wire/packet-view.ts';
import { guessGreeting, guessProtocol, Protocol, PROTOCOL_NAMES } from '../wire/protocol-guess.ts';
import { SYN } from '../wire/tcp.ts';
import { CaptureSieve, type SieveCounts, type SieveOptions, Side } from './capture-sieve.ts';

/** Of a connection, what the files hold of it. */
const FROM_CLIENT = 1;
const FROM_SERVER = 2;
const BEGINNING = 4;
/** And behind these bits, what its first octets look like; 0 while there are none. */
const PROTOCOL_SHIFT = 3;
/** Packets between two chances for everything else. */
const TURN = 20_000;

/** What capture files hold of the connections of -x. */
export interface FileSurvey {
  readonly counts: SieveCounts;
  /** Microseconds since 1970 of the first and the last packet that fits -x. */
  readonly first: number;
  readonly last: number;
  /** Packets of clients that the capture cut. */
  readonly cut: number;
  readonly connections: number;
  /** Of these, with a SYN of the client. */
  readonly whole: number;
  /** Of these, with packets of the online server too. */
  readonly twoSided: number;
  /** How many of these begin like each protocol, by `Protocol`; those without any payload are in none. */
  readonly protocols: readonly number[];
  /** One sentence for each file that cannot be read to its end. */
  readonly faults: readonly string[];
}

/** Reads capture files to their end before anything is sent. `yieldTurn` lets the event loop go on in between. */
export async function surveyFiles(
  records: CaptureRecords,
  transfers: TransferTable,
  options: SieveOptions,
  yieldTurn: () => Promise<void>,
): Promise<FileSurvey> {
  const surveyor = new Surveyor(transfers, options);
  let wake: () => void = () => {};
  records.onMore(() => wake());
  for (let n = 1; ; n++) {
    const state = records.next();
    if (state === RecordState.ended) break;
    if (state === RecordState.pending) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    } else if (!surveyor.add(records)) break;
    if (n % TURN === 0) await yieldTurn();
  }
  const survey = surveyor.report(records.faults);
  records.close();
  return survey;
}

class Surveyor {
  readonly #sieve: CaptureSieve;
  readonly #key = new FlowKey();
  readonly #flows = new FlowTable<number>(0);
  #first = 0.5;
  #last = 0.5;
  #cut = 0;

  constructor(transfers: TransferTable, options: SieveOptions) {
    this.#sieve = new CaptureSieve(transfers, options);
  }

  /** Returns whether there may be more that is wanted. */
  add({ record }: CaptureRecords): boolean {
    const { view, counts } = this.#sieve;
    const side = this.#sieve.sift(record);
    if (side === Side.past) return false;
    if (side === Side.none) return true;
    if (counts.client + counts.server === 1) this.#first = record.time;
    if (record.time > this.#last) this.#last = record.time;
    const isClient = side === Side.client;
    if (isClient && this.#sieve.isCut) this.#cut++;
    if (this.#sieve.isDatagram) return true;
    this.#note(view, isClient);
    return true;
  }

  #note(p: PacketView, isClient: boolean): void {
    const key = this.#key;
    key.setAddress(isClient ? 0 : 4, p.src0, p.src1, p.src2, p.src3);
    key.setAddress(isClient ? 4 : 0, p.dst0, p.dst1, p.dst2, p.dst3);
    if (isClient) key.setPorts(p.sourcePort, p.destinationPort);
    else key.setPorts(p.destinationPort, p.sourcePort);
    let seen = (this.#flows.find(key) ?? 0) | (isClient ? FROM_CLIENT : FROM_SERVER);
    if (isClient && (p.flags & SYN) !== 0) seen |= BEGINNING;
    // One that was not known by its first octets may be by later ones, as where it was open before the capture began.
    if (p.payloadLength > 0 && seen >> PROTOCOL_SHIFT <= 1 + Protocol.unknown) {
      const protocol = this.#guess(p, isClient);
      seen = (seen & ((1 << PROTOCOL_SHIFT) - 1)) | ((1 + protocol) << PROTOCOL_SHIFT);
    }
    this.#flows.set(key, seen);
  }

  #guess(p: PacketView, isClient: boolean): Protocol {
    const { memory, payloadOffset } = p;
    const length = Math.min(p.payloadLength, this.#sieve.packet.length - payloadOffset);
    if (memory === null || length <= 0) return Protocol.unknown;
    const guess = isClient ? guessProtocol : guessGreeting;
    return guess(memory, payloadOffset, length);
  }

  report(faults: readonly string[]): FileSurvey {
    let connections = 0;
    let whole = 0;
    let twoSided = 0;
    const protocols = PROTOCOL_NAMES.map(() => 0);
    this.#flows.forEach((seen) => {
      if ((seen & FROM_CLIENT) === 0) return;
      connections++;
      if ((seen & BEGINNING) !== 0) whole++;
      if ((seen & FROM_SERVER) !== 0) twoSided++;
      const protocol = (seen >> PROTOCOL_SHIFT) - 1;
      if (protocol >= 0) protocols[protocol] = (protocols[protocol] as number) + 1;
    });
    const { counts } = this.#sieve;
    const { first, last } = { first: this.#first, last: this.#last };
    const found = { connections, whole, twoSided, protocols };
    return { counts, first, last, cut: this.#cut, ...found, faults };
  }
}
