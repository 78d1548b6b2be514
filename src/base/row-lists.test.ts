import { expect, it } from 'vitest';
import { Random } from './random.ts';
import { RowLinks, RowList } from './row-lists.ts';

it('lists over the same rows agree with arrays, whatever is taken off and put on', () => {
  const random = new Random(1);
  const links = new RowLinks();
  links.grow(8);
  const lists = [new RowList(), new RowList()];
  const model: number[][] = [[], []];
  for (let step = 0; step < 5000; step++) {
    const row = random.int(0, step < 1000 ? 8 : 64);
    if (step === 1000) links.grow(64);
    const on = model.findIndex((rows) => rows.includes(row));
    if (on >= 0) {
      links.detach(lists[on]!, row);
      model[on] = model[on]!.filter((one) => one !== row);
    } else {
      const to = random.int(0, 2);
      links.append(lists[to]!, row);
      model[to]!.push(row);
    }
    expect(lists.map(({ first, last }) => [first, last])).toEqual(
      model.map((rows) => [rows[0] ?? -1, rows.at(-1) ?? -1]),
    );
  }
  // Taken off from the front, they come in order.
  for (const [i, list] of lists.entries()) {
    const rows: number[] = [];
    for (; list.first >= 0; links.detach(list, list.first)) rows.push(list.first);
    expect(rows).toEqual(model[i]);
  }
});
