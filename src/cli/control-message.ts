/** What `ctl` asks of a running program: one line of JSON, and one back. */
export interface ControlRequest {
  readonly command: string;
  readonly words: readonly string[];
}

export interface ControlAnswer {
  readonly ok: boolean;
  /** For people, whole lines. */
  readonly text: string;
}

/** Octets of a request at the most. */
export const MAX_REQUEST: number = 64 * 1024;

/** The request on a line; undefined when it is none. */
export function parseRequest(line: string): ControlRequest | undefined {
  const value = parseObject(line);
  const command: unknown = value?.['command'];
  const words: unknown = value?.['words'] ?? [];
  if (typeof command !== 'string' || !Array.isArray(words)) return undefined;
  return words.every((word) => typeof word === 'string') ? { command, words } : undefined;
}

/** The answer on a line; undefined when it is none. */
export function parseAnswer(line: string): ControlAnswer | undefined {
  const value = parseObject(line);
  const ok: unknown = value?.['ok'];
  const text: unknown = value?.['text'];
  return typeof ok === 'boolean' && typeof text === 'string' ? { ok, text } : undefined;
}

function parseObject(line: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}
