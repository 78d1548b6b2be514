/** One sum of an account: a line, and the indented lines below it. */
export interface Section {
  readonly total: number;
  /** By label; what is zero is not there. */
  readonly parts: ReadonlyMap<string, number>;
}

/** The sections of tcpcopy's account whose indented lines add up to their first. */
const SUMS = ['packets captured', 'connections seen', 'requests captured'];
/** Indented, but counted in other lines already. */
const ASIDE = /^of these, /;

/** The first line of an account; intercept's own count of packets, further down, is indented. */
const FIRST = /^(?:\S+ info )?packets captured /gm;

/** Reads the last account of tcpcopy in what it printed, be it from the log or from the end. */
export function readAccount(text: string): Map<string, Section> {
  const sections = new Map<string, Section>();
  let parts = new Map<string, number>();
  const start = [...text.matchAll(FIRST)].at(-1)?.index ?? 0;
  for (const line of text.slice(start).split('\n')) {
    // In the log, the time and the level stand in front.
    const found = /^(?:\S+ info )?( *)(\S.*?) +(\d+)$/.exec(line);
    if (found === null) continue;
    const [, indent, label = '', count] = found;
    if (indent === '') {
      parts = new Map();
      sections.set(label, { total: Number(count), parts });
    } else if (!ASIDE.test(label)) parts.set(label, Number(count));
  }
  return sections;
}

/** What does not add up, in words. */
export function inconsistencies(account: ReadonlyMap<string, Section>): string[] {
  return SUMS.flatMap((name) => {
    const section = account.get(name);
    if (section === undefined) return [`the account has no line "${name}"`];
    const sum = [...section.parts.values()].reduce((a, b) => a + b, 0);
    return sum === section.total ? [] : [`${name}: ${section.total}, but the lines below: ${sum}`];
  });
}
