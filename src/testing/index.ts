/*
 * The simulator: a virtual clock, a dialogue with a copy, seeded lossy links, scripted clients and a target with a TCP of its
 * own. Nothing here does I/O; what is wrong is an Error that tells what happened before.
 */
export { Dialogue, type Line, patternAt, payloadOf } from './dialogue.ts';
export { EventQueue } from './event-queue.ts';
export { address, DEFAULT_SESSION, Harness, type HarnessOptions, transfer } from './harness.ts';
export { type LinkFaults, LossyLink, PERFECT } from './lossy-link.ts';
export {
  type CaptureFaults,
  type ClientEnd,
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
export { SimTarget, type TargetScript, Violation } from './sim-target.ts';
export { type Pair, randomWorld, Simulation, type World, type WorldKind } from './simulation.ts';
export { SteadyState } from './steady-state.ts';
