import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { sleep } from '../../lab/child.ts';
import { compare, describe as inWords, isIdentical } from '../../lab/compare.ts';
import { drained, startHttpServer, startLoad, type StreamServer } from '../../lab/http.ts';
import type { LoadPart } from '../../lab/load-plan.ts';
import { type Copying, type CopyOptions, startCopying } from '../../lab/programs.ts';
import type { HostName, Lab } from '../../lab/topology.ts';

/** The target's addresses in a network of its own, which the online host reaches by its second device alone. */
export const EXIT_TARGET4 = '10.67.0.2';
export const EXIT_TARGET6 = 'fd00:67::2';
/** That device. */
export const EXIT = 'eth1';

const ip = (lab: Lab, host: HostName | 'switch', words: string): Promise<unknown> =>
  lab.exec(host, 'ip', words.split(' '));

/**
 * Gives the online host a second cable into the switch, which only copies use: what is done to it concerns neither clients nor
 * the connection to intercept.
 */
export async function addExit(lab: Lab): Promise<void> {
  const online = lab.namespace('online');
  await ip(lab, 'switch', `link add p-exit type veth peer name ${EXIT} netns ${online}`);
  await ip(lab, 'switch', 'link set p-exit master br0 up');
  // Each address is at its own cable: the kernel would answer for all of them at both.
  const knobs = '/proc/sys/net/ipv4/conf/all';
  await on(lab, `echo 1 > ${knobs}/arp_ignore; echo 2 > ${knobs}/arp_announce`);
  for (const line of [
    `addr add 10.67.0.1/24 dev ${EXIT}`,
    `link set ${EXIT} up`,
    `addr add fd00:67::1/64 dev ${EXIT} nodad`,
  ]) {
    await ip(lab, 'online', line);
  }
  await ip(lab, 'target', `addr add ${EXIT_TARGET4}/24 dev eth0`);
  await ip(lab, 'target', `addr add ${EXIT_TARGET6}/64 dev eth0 nodad`);
}

/** Runs a line of a shell on the online host. */
export const on = (lab: Lab, line: string): Promise<unknown> =>
  lab.exec('online', 'sh', ['-ec', line]);

/** A rule that makes the kernel track connections, and a table in which no place is left. Clients are not tracked. */
export async function fillConntrack(lab: Lab): Promise<void> {
  await on(
    lab,
    `nft 'table inet tracked { chain in { type filter hook prerouting priority -300; iifname eth0 notrack; };
      chain raw { type filter hook output priority -300; notrack; };
      chain out { type filter hook output priority 0; ct state established accept; }; }'`,
  );
  const { stdout } = await lab.exec('online', 'cat', ['/proc/sys/net/netfilter/nf_conntrack_max']);
  const flows: string[] = [];
  for (let i = 0; flows.length <= Number(stdout); i++) {
    const end = `--sport ${1 + (i % 60_000)} --dport 9 -t 600 -u ASSURED,SEEN_REPLY`;
    flows.push(`-I -s 10.250.${Math.floor(i / 60_000)}.1 -d 10.251.0.1 -p udp ${end}`);
  }
  const file = join(lab.folder, 'flows');
  writeFileSync(file, `${flows.join('\n')}\n`);
  // The last of them finds no place, and that is its end.
  await lab.exec('online', 'conntrack', ['-R', file], { mayFail: true });
  await on(
    lab,
    `nft 'flush chain inet tracked raw; add rule inet tracked raw oifname eth0 notrack'`,
  );
}

/** Both servers and both programs, and what was asked of them so far. */
export class Scene {
  readonly lab: Lab;
  readonly copying: Copying;
  readonly #online: StreamServer;
  readonly #target: StreamServer;
  #asked = 0;

  private constructor(lab: Lab, online: StreamServer, target: StreamServer, copying: Copying) {
    this.lab = lab;
    this.#online = online;
    this.#target = target;
    this.copying = copying;
  }

  static async open(lab: Lab, options: CopyOptions): Promise<Scene> {
    const online = await startHttpServer(lab, 'online');
    const target = await startHttpServer(lab, 'target');
    return new Scene(lab, online, target, await startCopying(lab, options));
  }

  /** Runs a load, and `act` beside it; everything is answered online. */
  async load(
    part: LoadPart,
    act: () => Promise<unknown> = () => Promise.resolve(),
    host?: string,
  ): Promise<void> {
    const running = startLoad(this.lab, [part], host === undefined ? {} : { host });
    await act();
    const result = await running.result;
    expect(result, JSON.stringify(result)).toMatchObject({ answered: part.requests, errors: {} });
    this.#asked += part.requests;
  }

  /** What tcpcopy said so far. */
  get said(): string {
    return this.copying.tcpcopy.text();
  }

  /** Waits until every request has come to the target, `quiet` milliseconds of silence at the most, and ends the programs. */
  async close(quiet: number): Promise<string> {
    await drained(this.#target, this.#asked, quiet);
    const { tcpcopy, intercept } = this.copying;
    const ends = [await tcpcopy.stop(), await intercept.stop()];
    const said = `tcpcopy:\n${tcpcopy.text()}\nintercept:\n${intercept.text()}`;
    expect(ends, said).toEqual([
      { code: 0, signal: null },
      { code: 0, signal: null },
    ]);
    const comparison = compare(await this.#online.records(), await this.#target.records());
    const text = `${inWords(comparison)}\n${said}`;
    expect(comparison.online, text).toBe(this.#asked);
    expect(isIdentical(comparison), text).toBe(true);
    return said;
  }
}

/** How many of a counted line of the account there were; 0 without the line. */
export const counted = (said: string, label: string): number =>
  Number(new RegExp(`^ +${label.replaceAll(/[()]/g, '\\$&')} +(\\d+)$`, 'm').exec(said)?.[1] ?? 0);

/** Long enough for a copy that has just failed to try again at once. */
export const settle = (): Promise<void> => sleep(300);
