import type { FlowKey } from '../base/flow-key.ts';
import type { CopyEndpoints } from '../session/state.ts';

/** Writes into `key`, and returns, what tells copies apart at the targets. */
export function setEndsKey(
  key: FlowKey,
  { source, sourcePort, target, targetPort }: CopyEndpoints,
): FlowKey {
  key.setAddress(0, source.w0, source.w1, source.w2, source.w3);
  key.setAddress(4, target.w0, target.w1, target.w2, target.w3);
  key.setPorts(sourcePort, targetPort);
  return key;
}
