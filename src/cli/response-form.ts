import {
  BARE,
  COMBINED,
  COMBINED_WITH_PAYLOAD,
  type ResponseForm,
} from '../control/response-form.ts';
import { UsageError } from './exit-codes.ts';
import type { OptionValues } from './option-values.ts';

/**
 * How responses travel between us and a peer of the original, by the options that tell how that one was built.
 * @throws UsageError
 */
export function readResponseForm(values: OptionValues): ResponseForm {
  const hasPayload = values.has('with-resp-payload');
  if (!values.has('disable-combined')) return hasPayload ? COMBINED_WITH_PAYLOAD : COMBINED;
  if (!hasPayload) return BARE;
  throw new UsageError(
    'Cannot use --disable-combined with --with-resp-payload: no build of the original has both, as payload needs frames',
    'Give the one that the original on the other side was built with.',
  );
}
