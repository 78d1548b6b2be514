import { readFileSync } from 'node:fs';

/** "tcpcopy 0.1.0 (Node 20.19.0)", from the package's own description. */
export function versionLine(program: string): string {
  return `${program} ${packageVersion()} (Node ${process.versions.node})`;
}

function packageVersion(): string {
  // The file lies two levels up both from src/cli and from dist/cli.
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  const { version } = JSON.parse(text) as { version: string };
  return version;
}
