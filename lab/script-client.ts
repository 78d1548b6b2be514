// Clients that do what a script says, each over one TCP connection at a time. A program of its own:
//   node script-client.js PLAN       PLAN is a ScriptPlan in JSON
// Prints "done" when every script has come to its end, or the error that stopped one.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ScriptPlan, Step } from './stream-plan.ts';

const plan = JSON.parse(process.argv[2] ?? '{}') as ScriptPlan;

class Actor {
  #socket: Socket | null = null;
  #received = 0;
  #wake: (() => void) | null = null;

  async play(steps: readonly Step[]): Promise<void> {
    for (const step of steps) await this.#perform(step);
  }

  async #perform(step: Step): Promise<void> {
    if (typeof step === 'object' && 'connect' in step) await this.#connect(step.connect);
    else if (typeof step === 'object' && 'send' in step) this.#open.write(step.send, 'latin1');
    else if (typeof step === 'object' && 'receive' in step) await this.#receive(step.receive);
    else if (typeof step === 'object') await sleep(step.sleep);
    else await this.#close(step);
  }

  get #open(): Socket {
    if (this.#socket === null) throw new Error('the script must connect first');
    return this.#socket;
  }

  async #connect(local: { localAddress: string; localPort: number }): Promise<void> {
    const { host, port } = plan;
    const socket = connect({ host, port, ...local, allowHalfOpen: true });
    this.#socket = socket;
    this.#received = 0;
    socket.setNoDelay(true);
    socket.on('data', (chunk) => {
      this.#received += chunk.length;
      this.#wake?.();
    });
    await once(socket, 'connect');
    socket.on('error', (error) => process.stdout.write(`${error.message}\n`));
  }

  async #receive(octets: number): Promise<void> {
    while (this.#received < octets && !this.#open.readableEnded) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        this.#open.once('end', resolve);
      });
    }
    this.#received -= octets;
  }

  async #close(how: 'end' | 'closed' | 'reset'): Promise<void> {
    const socket = this.#open;
    const gone = once(socket, 'close');
    if (how === 'reset') socket.resetAndDestroy();
    else {
      if (how === 'closed' && !socket.readableEnded) await once(socket, 'end');
      socket.end();
    }
    await gone;
  }
}

await Promise.all(plan.scripts.map((script) => new Actor().play(script)));
process.stdout.write('done\n');
