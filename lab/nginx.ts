import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { sleep } from './child.ts';
import type { RecordingServer } from './http.ts';
import type { RequestRecord } from './records.ts';
import type { HostName, Lab } from './topology.ts';

const PLACES = ['/usr/sbin/nginx', '/usr/bin/nginx', '/usr/local/sbin/nginx'];

/** The nginx of this machine, if there is one. */
export function findNginx(): string | undefined {
  return PLACES.find((file) => existsSync(file));
}

/** Starts nginx on port 80 of a host with a configuration of its own. Its access log carries method,
 *  path and body; the body is in `$request_body` because a proxied location has to read it. */
export async function startNginx(lab: Lab, host: HostName): Promise<RecordingServer> {
  const nginx = findNginx();
  if (nginx === undefined) throw new Error(`nginx not found in ${PLACES.join(', ')}`);
  const folder = join(lab.folder, `nginx-${host}`);
  mkdirSync(folder);
  const log = join(folder, 'access.log');
  writeFileSync(join(folder, 'nginx.conf'), configuration(folder, log));
  const args = ['-p', folder, '-c', join(folder, 'nginx.conf'), '-e', join(folder, 'error.log')];
  const child = lab.spawn(host, `nginx on ${host}`, nginx, args);
  const deadline = Date.now() + 10_000;
  // It says nothing when it is ready, but by then it has made its socket.
  while (!existsSync(join(folder, 'upstream'))) {
    if (!child.running || Date.now() > deadline) throw new Error(`nginx:\n${child.output()}`);
    await sleep(20);
  }
  const counter = { size: 0, lines: 0 };
  return {
    child,
    count: () => Promise.resolve(countLines(log, counter)),
    records: () => Promise.resolve(readLog(log)),
  };
}

/** One process in the foreground: a worker of its own would want to become another user, which an
 *  ordinary user's namespace does not have. */
function configuration(folder: string, log: string): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((name) => `  ${name}_temp_path ${folder}/${name};`)
    .join('\n');
  return `user root;
daemon off;
master_process off;
pid ${folder}/nginx.pid;
error_log ${folder}/error.log warn;
events { worker_connections 4096; }
http {
${temporary}
  log_format record escape=json '{"method":"$request_method","path":"$request_uri",'
    '"body":"$request_body","peer":"$remote_addr:$remote_port","status":"$status"}';
  access_log off;
  keepalive_timeout 120s;
  keepalive_requests 1000000;
  client_max_body_size 16m;
  client_body_buffer_size 16m;
  client_body_in_single_buffer on;
  server {
    listen 80 backlog=4096;
    listen [::]:80 backlog=4096;
    location / {
      access_log ${log} record;
      proxy_pass http://unix:${folder}/upstream:;
    }
  }
  server {
    listen unix:${folder}/upstream;
    location / { return 200 "the answer, always the same\\n"; }
  }
}
`;
}

function countLines(log: string, counter: { size: number; lines: number }): number {
  if (!existsSync(log)) return 0;
  const { size } = statSync(log);
  if (size !== counter.size) {
    counter.size = size;
    counter.lines = readFileSync(log).reduce((sum, byte) => sum + (byte === 10 ? 1 : 0), 0);
  }
  return counter.lines;
}

interface LogLine {
  readonly method: string;
  readonly path: string;
  readonly body: string;
  readonly peer: string;
  readonly status: string;
}

function readLog(log: string): RequestRecord[] {
  const lines = existsSync(log) ? readFileSync(log, 'latin1').split('\n') : [];
  return lines
    .filter((line) => line !== '')
    .map((line) => {
      const { method, path, body, peer, status } = JSON.parse(line) as LogLine;
      const octets = Buffer.from(body, 'latin1');
      const hash = octets.length === 0 ? '' : createHash('sha1').update(octets).digest('base64');
      return { method, path, length: octets.length, hash, peer, complete: status === '200' };
    });
}
