// The wire: four bytes of length, big endian, and so many bytes of JSON.

/** No frame is longer, in either direction. */
export const MAX_FRAME_BYTES = 1 << 20;

/** The bytes of one frame. Throws if it is too long. */
export function encode(frame) {
  const body = Buffer.from(JSON.stringify(frame, wellFormed), 'utf8');
  if (body.length > MAX_FRAME_BYTES) throw new Error('frame too long');
  const bytes = Buffer.allocUnsafe(4 + body.length);
  bytes.writeUInt32BE(body.length, 0);
  body.copy(bytes, 4);
  return bytes;
}

/** The bytes of an event; of one that fits into no frame, that there was one. */
export function encodeEvent(seq, event) {
  try {
    return encode({ kind: 'event', seq, event });
  } catch {
    return encode({ kind: 'event', seq, event: { type: 'unreadable' } });
  }
}

/** Half a character is written as an escape that other readers of JSON refuse. */
function wellFormed(_, value) {
  return typeof value === 'string' ? value.toWellFormed() : value;
}

/** Takes bytes as they come and gives whole frames. */
export class Decoder {
  #kept = Buffer.alloc(0);

  /**
   * The frames that these bytes complete. Throws on a length beyond the limit, before
   * anything is kept for it, and on what is no JSON object.
   */
  push(bytes) {
    this.#kept = Buffer.concat([this.#kept, bytes]);
    const frames = [];
    while (this.#kept.length >= 4) {
      const length = this.#kept.readUInt32BE(0);
      if (length > MAX_FRAME_BYTES) throw new Error('frame too long');
      if (this.#kept.length < 4 + length) break;
      frames.push(parse(this.#kept.subarray(4, 4 + length)));
      this.#kept = this.#kept.subarray(4 + length);
    }
    return frames;
  }
}

function parse(body) {
  const frame = JSON.parse(body.toString('utf8'));
  if (typeof frame !== 'object' || frame === null || Array.isArray(frame)) {
    throw new Error('frame is no object');
  }
  return frame;
}
