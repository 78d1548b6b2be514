import { COMBINED, COMBINED_WITH_PAYLOAD, type ResponseForm } from '../control/response-form.ts';
import type { OptionValues } from './option-values.ts';

/** How responses travel between us and a peer of the original, by the options that tell how that one was built. */
export const readResponseForm = (values: OptionValues): ResponseForm =>
  values.has('with-resp-payload') ? COMBINED_WITH_PAYLOAD : COMBINED;
