import assert from 'node:assert/strict';
import { mock, test } from 'node:test';

import { Page } from '../page.mjs';

test('whoever asks for names that are being asked for waits for them, too', async () => {
  let answer;
  let asks = 0;
  const page = new Page();
  page.client = {
    getContactLidAndPhone: () => {
      asks += 1;
      return new Promise((resolve) => (answer = resolve));
    },
  };
  const asking = [page.names('99@lid'), page.names('99@lid')];
  await new Promise(setImmediate);
  answer([{ pn: '15550001111@c.us', lid: '99@lid' }]);
  const both = ['15550001111@c.us', '99@lid'];
  assert.deepEqual([await Promise.all(asking), asks], [[both, both], 1]);
  assert.deepEqual([await page.names('99@lid'), asks], [both, 1]);
});

test('who has no other name is not asked for again soon', async () => {
  let asks = 0;
  const page = new Page();
  page.client = {
    getContactLidAndPhone: async () => {
      asks += 1;
      return [{}];
    },
  };
  for (let time = 0; time < 2; time += 1) assert.deepEqual(await page.names('99@lid'), ['99@lid']);
  assert.equal(asks, 1);
});

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
