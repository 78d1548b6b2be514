import { type Duration, millis, seconds } from '../base/time.ts';

/** RFC 6298 (2.1): before any sample. */
const INITIAL_RTO = seconds(1);
/** RFC 6298 (2.4) rounds up to 1 s; every kernel in use takes 200 ms, and so do we: the copy must recover as a client would. */
const MIN_RTO = millis(200);
/** RFC 6298 (2.5) allows a bound of 60 s or more. */
const MAX_RTO = seconds(60);
/** Clock granularity G of RFC 6298 (2.3). */
const GRANULARITY = millis(1);

/** Round-trip time and retransmission timeout of one connection (RFC 6298). All in microseconds. */
export class RttEstimator {
  /** 0 until the first sample. */
  srtt: Duration = 0 as Duration;
  /** The shortest sample: what the way alone takes. 0 until the first sample. */
  shortest: Duration = 0 as Duration;
  #rttvar = 0;
  #rto: number = INITIAL_RTO;

  /** The current timeout, back-off included. */
  get rto(): Duration {
    return this.#rto as Duration;
  }

  /** A measurement of a segment sent once (Karn), or by its time stamp. Ends any back-off (RFC 6298 §5, last note). */
  sample(rtt: Duration): void {
    if (this.srtt === 0 || rtt < this.shortest) this.shortest = rtt;
    if (this.srtt === 0) {
      this.srtt = Math.max(rtt, 1) as Duration;
      this.#rttvar = rtt / 2;
    } else {
      this.#rttvar += (Math.abs(this.srtt - rtt) - this.#rttvar) / 4;
      this.srtt = (this.srtt + (rtt - this.srtt) / 8) as Duration;
    }
    const rto = this.srtt + Math.max(GRANULARITY, 4 * this.#rttvar);
    this.#rto = Math.min(MAX_RTO, Math.max(MIN_RTO, rto));
  }

  /** Before any sample: the back-off of a SYN is over, which goes out again from elsewhere. */
  reset(): void {
    this.#rto = INITIAL_RTO;
  }

  /** RFC 6298 (5.5). */
  backOff(): void {
    this.#rto = Math.min(MAX_RTO, this.#rto * 2);
  }
}
