/**
 * Lets the program go on when nobody reads its output any more, or the disk that it goes to is full: what cannot be written is left
 * out. An error that nobody listens to would end it.
 */
export function outliveReaders(): void {
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
}
