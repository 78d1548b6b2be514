import { sleep } from './child.ts';

/** What a server says that it has been told: per client connection, in order. */
export type Statements = ReadonlyMap<string, readonly string[]>;

/** How much of a statement a difference shows, in characters. */
const SHOWN_LENGTH = 100;
const SHOWN_DIFFERENCES = 8;

/** Appends a statement to those of its connection. */
export function addStatement(all: Map<string, string[]>, connection: string, text: string): void {
  const list = all.get(connection);
  if (list === undefined) all.set(connection, [text]);
  else list.push(text);
}

/** Names connections by what was said on them, for servers whose log does not tell the client's
 *  port: equal sets of dialogues then have equal names. */
export function namedByContent(dialogues: Iterable<readonly string[]>): Statements {
  const sorted = [...dialogues]
    .map((list) => ({ list, key: list.join('\n') }))
    .sort((a, b) => (a.key < b.key ? -1 : Number(a.key > b.key)));
  return new Map(sorted.map(({ list }, i) => [`connection ${i + 1} in order of content`, list]));
}

export function countStatements(all: Statements): number {
  let count = 0;
  for (const list of all.values()) count += list.length;
  return count;
}

/** Where the target's log departs from the online one, in words; the first few. */
export function differences(online: Statements, target: Statements): string[] {
  const found: string[] = [];
  for (const name of new Set([...online.keys(), ...target.keys()])) {
    const there = online.get(name) ?? [];
    const copied = target.get(name) ?? [];
    const length = Math.max(there.length, copied.length);
    let at = 0;
    while (at < length && there[at] === copied[at]) at += 1;
    if (at === length) continue;
    const lengths = `${there.length} online, ${copied.length} at the target`;
    found.push(
      `${name} (${lengths}): statement ${at + 1} is ${shown(there[at])} online, ` +
        `${shown(copied[at])} at the target`,
    );
    if (found.length === SHOWN_DIFFERENCES) break;
  }
  return found;
}

/** Reads both logs again until they agree or the target's has not grown for `quiet` milliseconds. */
export async function settled(
  read: (host: 'online' | 'target') => Promise<Statements>,
  quiet = 8000,
): Promise<{ online: Statements; target: Statements }> {
  let size = -1;
  let since = Date.now();
  for (;;) {
    const target = await read('target');
    const online = await read('online');
    if (differences(online, target).length === 0) return { online, target };
    const now = Date.now();
    if (countStatements(target) !== size) {
      size = countStatements(target);
      since = now;
    } else if (now - since > quiet) return { online, target };
    await sleep(200);
  }
}

function shown(text: string | undefined): string {
  if (text === undefined) return 'nothing';
  if (text.length <= SHOWN_LENGTH) return JSON.stringify(text);
  return `${JSON.stringify(text.slice(0, SHOWN_LENGTH))}… (${text.length} characters)`;
}
