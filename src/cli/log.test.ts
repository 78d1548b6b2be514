import { execFileSync } from 'node:child_process';
import {
  closeSync,
  constants,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { StartError } from './exit-codes.ts';
import { formatLine, openLog } from './log.ts';

const directory = mkdtempSync(join(tmpdir(), 'tcpcopy-log-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));
let count = 0;
const newFile = (): string => join(directory, `${++count}.log`);
const linesOf = (file: string): string[] => readFileSync(file, 'utf8').split('\n').slice(0, -1);
const messages = (file: string): string[] => linesOf(file).map((line) => line.slice(25));

describe('formatLine', () => {
  it('is time in UTC, level and message', () => {
    const time = new Date(Date.UTC(2026, 0, 2, 3, 4, 5, 67));
    expect(formatLine(time, 'info', 'ready')).toBe('2026-01-02T03:04:05.067Z info ready\n');
  });

  it('indents further lines and makes control characters visible', () => {
    expect(formatLine(new Date(0), 'warn', 'a\nb\u001b[1m\r\n').slice(25)).toBe(
      'warn a\n    b\\x1b[1m\n',
    );
    expect(formatLine(new Date(0), 'warn', 'a\u0007é\u0085b').slice(25)).toBe(
      'warn a\\x07é\\x85b\n',
    );
  });
});

describe('openLog', () => {
  it('writes statistics as lines, or as one record', () => {
    const files = { text: newFile(), json: newFile() };
    for (const format of ['text', 'json'] as const) {
      const log = openLog({ file: files[format], level: 'info', format });
      log.statistics(['a:1,b:2', 'c:3'], { a: 1, b: 2, c: 3 });
      log.close();
      const quiet = openLog({ file: files[format], level: 'warn', format });
      quiet.statistics(['d:4'], { d: 4 });
      quiet.close();
    }
    expect(messages(files.text)).toEqual(['info a:1,b:2', 'info c:3']);
    const records = linesOf(files.json).map((line) => JSON.parse(line) as object);
    expect(records).toEqual([
      {
        time: expect.any(String),
        level: 'info',
        message: 'statistics',
        statistics: { a: 1, b: 2, c: 3 },
      },
    ]);
  });

  it('writes JSON objects, each on a line, when asked for', () => {
    const file = newFile();
    const log = openLog({ file, level: 'info', format: 'json' });
    log.warn('two\nlines "quoted"\u0007\n');
    log.debug('not this');
    log.close();
    const [record, ...others] = linesOf(file).map((line) => JSON.parse(line) as object);
    expect(others).toEqual([]);
    expect(record).toEqual({
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]{12}Z$/),
      level: 'warn',
      message: 'two\nlines "quoted"\u0007',
    });
  });

  it('appends to the file, from the level asked for upwards', () => {
    const file = newFile();
    for (const round of ['first', 'second']) {
      const log = openLog({ file, level: 'warn' });
      log.debug(round);
      log.info(round);
      log.warn(round);
      log.error(round);
      log.close();
    }
    expect(messages(file)).toEqual(['warn first', 'error first', 'warn second', 'error second']);
    expect(statSync(file).mode & 0o777 & ~0o644).toBe(0);
  });

  it('has written a line when the call returns, so that none is lost at the end', () => {
    const file = newFile();
    const log = openLog({ file, level: 'debug' });
    for (let i = 0; i < 1000; i++) log.debug(`line ${i}`);
    expect(messages(file)).toEqual(Array.from({ length: 1000 }, (_, i) => `debug line ${i}`));
    log.close();
    log.info('late');
    expect(log.failures).toEqual({ writes: 0, lines: 1 });
  });

  it('writes to a new file after reopening, and to the old one when that fails', () => {
    const file = newFile();
    const log = openLog({ file, level: 'info' });
    log.info('one');
    renameSync(file, `${file}.1`);
    log.reopen();
    log.info('two');
    expect([messages(`${file}.1`), messages(file)]).toEqual([['info one'], ['info two']]);

    const gone = join(mkdtempSync(join(directory, 'd')), 'x.log');
    const other = openLog({ file: gone, level: 'info' });
    renameSync(join(gone, '..'), join(directory, 'moved'));
    other.reopen();
    other.info('three');
    expect(messages(join(directory, 'moved', 'x.log'))).toEqual([
      expect.stringContaining('Cannot reopen the log file'),
      'info three',
    ]);
    log.close();
    other.close();
  });

  it.each([
    ['missing/x.log', /^Cannot open the log file ".*": no such file or directory \(ENOENT\)$/, 78],
    ['.', /illegal operation on a directory \(EISDIR\)$/, 78],
  ])('says why %s cannot be opened', (path, message, exitCode) => {
    const open = (): unknown => openLog({ file: join(directory, path), level: 'info' });
    expect(open).toThrow(StartError);
    expect(open).toThrow(
      expect.objectContaining({ message: expect.stringMatching(message), exitCode }),
    );
  });

  it('keeps lines while they cannot be written, and says so when it works again', () => {
    const link = newFile();
    const file = newFile();
    symlinkSync('/dev/full', link);
    const log = openLog({ file: link, level: 'info' });
    log.info('one');
    log.info('two');
    rmSync(link);
    symlinkSync(file, link);
    log.reopen();
    log.info('three');
    log.close();
    expect(messages(file)).toEqual([
      'info one',
      'info two',
      'info three',
      'warn The log could not be written for a while: no space left on device (ENOSPC); 0 lines are lost',
    ]);
    expect(log.failures).toEqual({ writes: 2, lines: 0 });
  });

  it('does not wait for a reader of a pipe, neither at the start nor when it reopens', () => {
    const pipe = newFile();
    execFileSync('mkfifo', [pipe]);
    const open = (): unknown => openLog({ file: pipe, level: 'info' });
    expect(open).toThrow(StartError);
    expect(open).toThrow('(ENXIO)');
    const reader = openSync(pipe, constants.O_RDONLY | constants.O_NONBLOCK);
    const octets = Buffer.alloc(100);
    const read = (): string => octets.toString('utf8', 25, readSync(reader, octets));
    const log = openLog({ file: pipe, level: 'info' });
    log.info('first');
    expect(read()).toBe('info first\n');
    log.reopen();
    log.info('second');
    expect(read()).toBe('info second\n');
    closeSync(reader);
    log.reopen();
    expect(log.failures.writes).toBeGreaterThan(0);
    log.close();
  });

  it('goes on when the disk is full, and counts what fails', () => {
    const log = openLog({ file: '/dev/full', level: 'info' });
    const line = 'x'.repeat(1000);
    for (let i = 0; i < 2000; i++) log.info(line);
    expect(log.failures.writes).toBeGreaterThan(0);
    // A mebibyte is kept, the rest dropped.
    expect(log.failures.lines).toBeGreaterThan(900);
    log.close();
  });
});
