/** Why a stream of frames cannot be read on. */
export const FrameError = {
  none: 0,
  /** A count above 16. */
  badCount: 1,
  /** The stream begins like an IPv4 header instead of a count. */
  uncombined: 2,
  /** A message that does not begin with an IPv4 header. */
  notIpv4: 3,
  /** Payload mode: a count or a message as of a build without it. */
  noPayload: 4,
} as const;
export type FrameError = (typeof FrameError)[keyof typeof FrameError];

/** What happened, the likely cause and the next step. */
export const FRAME_ERROR_TEXT: Readonly<Record<FrameError, string>> = {
  [FrameError.none]: 'no error',
  [FrameError.badCount]:
    'intercept announced more than 16 responses in one frame: the peer is not an intercept of protocol version 6, or the stream is damaged; check the address and port given with -s',
  [FrameError.uncombined]:
    'intercept sent a response without a frame around it: it was built with --disable-combined; use one built without that option',
  [FrameError.notIpv4]:
    'intercept sent a response that is no IPv4 header: it may have been built with --with-resp-payload; use one built without that option',
  [FrameError.noPayload]:
    'intercept sent a frame that is none of --with-resp-payload: it was built without that option; use one built with it, or leave the option out here',
};
