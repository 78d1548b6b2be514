/** Something that our own code rules out has happened. Never caused by a packet, a peer or a person; always a bug of ours. */
export class InvariantError extends Error {
  override name = 'InvariantError';
}
