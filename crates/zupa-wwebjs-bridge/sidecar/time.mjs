// Waiting, with an end.

/** What a promise gives in time; else something else. A promise that fails is late at once. */
export async function within(milliseconds, promise, late) {
  let timer;
  const end = new Promise((resolve) => {
    timer = setTimeout(() => resolve(late), milliseconds);
  });
  try {
    return await Promise.race([promise.catch(() => late), end]);
  } finally {
    clearTimeout(timer);
  }
}
