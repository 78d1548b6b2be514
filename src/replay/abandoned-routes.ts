import { NoRoute, type RouteRegistrar } from '../ports/route-registrar.ts';
import type { CopyEndpoints } from '../session/state.ts';
import type { Copy } from './copy.ts';
import type { CopyTable } from './copy-table.ts';

interface LeftRoute {
  readonly ends: CopyEndpoints;
  readonly slot: number;
}

/**
 * Routes that copies have left without having ended by themselves. A route that is kept for nothing keeps its address and port
 * from every other tcpcopy, so each is given up, unless another copy has its ends by then.
 */
export class AbandonedRoutes {
  readonly #copies: CopyTable;
  #routes: LeftRoute[] = [];

  constructor(copies: CopyTable) {
    this.#copies = copies;
  }

  get isEmpty(): boolean {
    return this.#routes.length === 0;
  }

  /** The copy leaves its place, or the tables. */
  leave(copy: Copy): void {
    const { ends, routeSlot } = copy;
    if (routeSlot < 0) return;
    copy.routeSlot = NoRoute.now;
    this.#routes.push({ ends, slot: routeSlot });
  }

  /** Gives up what was left since the last call. */
  poll(registrar: RouteRegistrar): void {
    if (this.isEmpty) return;
    const routes = this.#routes;
    this.#routes = [];
    for (const { ends, slot } of routes) {
      const heir = this.#copies.findByEnds(ends);
      if (heir === undefined) registrar.unregister(ends, slot);
      else if (heir.routeSlot < 0) heir.routeSlot = slot;
    }
  }
}
