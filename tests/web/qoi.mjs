// Decoder of QOI, the image format of tests/golden.

/**
 * The pixels of a QOI file, four bytes each.
 *
 * @see https://qoiformat.org/qoi-specification.pdf
 */
export function fromQoi(bytes) {
  const [width, height] = [bytes.readUInt32BE(4), bytes.readUInt32BE(8)];
  const data = Buffer.alloc(width * height * 4);
  const seen = Buffer.alloc(64 * 4);
  let [r, g, b, a] = [0, 0, 0, 255];
  let at = 14;
  for (let to = 0, run = 0; to < data.length; to += 4) {
    if (run > 0) run -= 1;
    else {
      const tag = bytes[at++];
      if (tag === 0xfe) [r, g, b] = [bytes[at++], bytes[at++], bytes[at++]];
      else if (tag === 0xff) [r, g, b, a] = [bytes[at++], bytes[at++], bytes[at++], bytes[at++]];
      else if (tag < 0x40) [r, g, b, a] = seen.subarray(tag * 4, tag * 4 + 4);
      else if (tag < 0x80)
        [r, g, b] = [r + ((tag >> 4) & 3) - 2, g + ((tag >> 2) & 3) - 2, b + (tag & 3) - 2].map((value) => value & 255);
      else if (tag < 0xc0) {
        const green = (tag & 63) - 32;
        const next = bytes[at++];
        [r, g, b] = [r + green + (next >> 4) - 8, g + green, b + green + (next & 15) - 8].map((value) => value & 255);
      } else run = tag & 63;
      seen.set([r, g, b, a], ((r * 3 + g * 5 + b * 7 + a * 11) % 64) * 4);
    }
    data.set([r, g, b, a], to);
  }
  return { width, height, data };
}
