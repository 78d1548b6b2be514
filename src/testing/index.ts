/*
 * The simulator: a virtual clock, a dialogue with a copy, seeded links, scripted clients, a capture that may fail, and a target
 * with a TCP of its own. Nothing here does I/O; what is wrong is an Error that tells what happened before.
 */
export { type Captured, CapturePoint, type CaptureFaults, FAITHFUL } from './capture-point.ts';
export { Dialogue, type Line, patternAt, payloadOf } from './dialogue.ts';
export { EventQueue } from './event-queue.ts';
export { address, DEFAULT_SESSION, Harness, type HarnessOptions, transfer } from './harness.ts';
export { Judge } from './judge.ts';
export { Link, LinkCounters, type LinkFaults, PERFECT } from './link.ts';
export {
  type ClientEnd,
  type ClientFaults,
  type Exchange,
  OnlineClient,
  type OnlineScript,
} from './online-client.ts';
export { ManyCopies } from './many-copies.ts';
export {
  buildPacket,
  describePacket,
  type Endpoint,
  type OptionsRecord,
  type Packet,
  readPacket,
} from './packet.ts';
export { isCalm, randomWorld, type WorldKind } from './random-world.ts';
export { type Point, POINTS, Recording } from './recording.ts';
export {
  type Disturbance,
  type Pair,
  Simulation,
  type SimulationOptions,
  type World,
} from './simulation.ts';
export { SteadyState } from './steady-state.ts';
export { MANNERS, type Manners, type TargetScript, Violation } from './target/script.ts';
export { SimTarget } from './target/sim-target.ts';
