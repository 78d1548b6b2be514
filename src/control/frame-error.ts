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
  /** Messages without frames were expected: the stream begins with a count. */
  combined: 5,
  /** Messages without frames were expected: where one should begin, there is none. */
  noHeader: 6,
} as const;
export type FrameError = (typeof FrameError)[keyof typeof FrameError];

/** What happened, the likely cause and the next step. */
export const FRAME_ERROR_TEXT: Readonly<Record<FrameError, string>> = {
  [FrameError.none]: 'no error',
  [FrameError.badCount]:
    'intercept announced more than 16 responses in one frame: the peer is not an intercept of protocol version 6, or the stream is damaged; check the address and port given with -s',
  [FrameError.uncombined]:
    'intercept sent a response without a frame around it: it was built or started with --disable-combined; give tcpcopy this option, too',
  [FrameError.notIpv4]:
    'intercept sent a response that is no IPv4 header: it may have been built or started with --with-resp-payload; give tcpcopy this option, too',
  [FrameError.noPayload]:
    'intercept sent a frame that is none of --with-resp-payload: it was built or started without that option; give it to both, or leave it out here',
  [FrameError.combined]:
    'intercept sent responses in frames: it was built or started without --disable-combined; give this option to both, or leave it out here',
  [FrameError.noHeader]:
    'intercept sent what is no IPv4 header where a response should begin: the peer is not an intercept of protocol version 6, or the stream is damaged; check the address and port given with -s',
};
