import assert from 'node:assert/strict';
import { mock, test } from 'node:test';

import { Page } from '../page.mjs';

test('the list of chats may take as long as it is given, and no longer', async () => {
  mock.timers.enable({ apis: ['setTimeout'] });
  const page = new Page();
  page.client = { getChats: () => new Promise(() => {}) };
  let failed = false;
  const asking = page.chats(180_000).catch(() => (failed = true));
  mock.timers.tick(179_999);
  await new Promise(setImmediate);
  assert.equal(failed, false);
  mock.timers.tick(1);
  await asking;
  assert.equal(failed, true);
  mock.timers.reset();
});
