import { addTime, type Duration, type Instant, seconds } from '../base/time.ts';

/** Connections that begin within this time of the first are of one tcpcopy. */
const GATHERING: Duration = seconds(3);
/** Members that responses are spread over, at the most. */
export const MAX_MEMBERS = 16;

/** What becomes of a connection that wants to join. */
export const Joined = {
  /** It is of the group. */
  member: 0,
  /** It begins another group; the members before it are to be closed. */
  successor: 1,
  /** It is to be closed: an older group is protected. */
  refused: 2,
  /** The group is full; the connection stays open and gets nothing, as with the original. */
  surplus: 3,
} as const;
export type Joined = (typeof Joined)[keyof typeof Joined];

/**
 * The connections of the one tcpcopy that `--single` serves. No sessions are registered then: every response goes to the
 * member that a number made of its addresses and ports names, so each session keeps its connection while the members stay the same.
 *
 * The original counts the dead, too, and loses their share; and a repaired connection of the same tcpcopy closes all its
 * others. Here the dead leave, and a connection from the group's own address joins it as long as it only fills a gap.
 */
export class SingleGroup<Member> {
  readonly #protect: boolean;
  readonly #members: Member[] = [];
  #address = '';
  #gathersUntil: Instant = Number.NEGATIVE_INFINITY as Instant;
  /** Most members that the group has had. */
  #peak = 0;

  /** `protect`: newcomers do not replace a living group (`-c`). */
  constructor(protect: boolean) {
    this.#protect = protect;
  }

  get members(): readonly Member[] {
    return this.#members;
  }

  /** A connection from `address` has said what it is. */
  join(now: Instant, member: Member, address: string): Joined {
    if (this.#members.length > 0 && !this.#belongs(now, address)) {
      if (this.#protect) return Joined.refused;
      this.#found(now, member, address);
      return Joined.successor;
    }
    if (this.#members.length === 0) {
      this.#found(now, member, address);
      return Joined.member;
    }
    if (this.#members.length === MAX_MEMBERS) return Joined.surplus;
    this.#members.push(member);
    this.#peak = Math.max(this.#peak, this.#members.length);
    return Joined.member;
  }

  leave(member: Member): void {
    const at = this.#members.indexOf(member);
    if (at >= 0) this.#members.splice(at, 1);
  }

  /** The member for responses whose number is `key`; undefined when there is none. */
  pick(key: number): Member | undefined {
    const { length } = this.#members;
    return length === 0 ? undefined : this.#members[(key & 255) % length];
  }

  #belongs(now: Instant, address: string): boolean {
    if (now < this.#gathersUntil) return true;
    return address === this.#address && this.#members.length < this.#peak;
  }

  #found(now: Instant, member: Member, address: string): void {
    this.#members.length = 0;
    this.#members.push(member);
    this.#address = address;
    this.#gathersUntil = addTime(now, GATHERING);
    this.#peak = 1;
  }
}
