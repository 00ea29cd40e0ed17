// The library itself: the only file that names it.

import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);

/** Its version, a function that makes a client, and parts of messages; throws if it is not installed. */
export function load() {
  const { Client, Location, MessageMedia, NoAuth, version } = require('whatsapp-web.js');
  const makeClient = (settings) => new Client(options(settings, new NoAuth()));
  return { version, Location, MessageMedia, makeClient };
}

function options(settings, authStrategy) {
  return {
    // The profile is the browser's own. The library's strategies delete it when a phone
    // unlinks the device; this one leaves it alone.
    authStrategy,
    puppeteer: {
      executablePath: settings.chromium,
      userDataDir: settings.profile,
      headless: true,
      // The browser ends when the pipe does, that is with this process, however that ends.
      pipe: true,
      handleSIGINT: false,
      handleSIGTERM: false,
      handleSIGHUP: false,
      args: [
        '--disable-dev-shm-usage',
        '--disable-crash-reporter',
        '--disable-breakpad',
        '--lang=en-US',
        '--no-first-run',
        `--zupa-session=${settings.marker}`,
        ...(settings.sandbox ? [] : ['--no-sandbox']),
      ],
    },
    // The browser's own, and not that of a Chrome of 2022 on a Mac.
    userAgent: false,
    // No copy of WhatsApp's page is kept or fetched from elsewhere.
    webVersionCache: { type: 'none' },
    authTimeoutMs: settings.start_ms,
    takeoverOnConflict: false,
    pairWithPhoneNumber: {
      phoneNumber: settings.pair_with ?? '',
      showNotification: true,
      intervalMs: 180_000,
    },
  };
}
