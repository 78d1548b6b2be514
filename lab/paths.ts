import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** Folder of the repository: the lab's files run from `lab/` (in tests) and from `dist/lab/`. */
export const repositoryRoot: string = findRoot(import.meta.dirname);

/** The built form of one of the lab's own programs, for example `http-server`. */
export function labProgram(name: string): string {
  const file = join(repositoryRoot, 'dist', 'lab', `${name}.js`);
  if (!existsSync(file)) throw new Error(`${file} not found; build first: npm run build`);
  return file;
}

/** `bin/tcpcopy.js` or `bin/intercept.js`. */
export function commandFile(name: 'tcpcopy' | 'intercept'): string {
  return join(repositoryRoot, 'bin', `${name}.js`);
}

function findRoot(from: string): string {
  let folder = from;
  while (!existsSync(join(folder, 'package.json'))) {
    const parent = dirname(folder);
    if (parent === folder) throw new Error(`no package.json above ${from}`);
    folder = parent;
  }
  return folder;
}
