/**
 * The tasks of the demo that compute. Each is shipped to workers as source, so it uses its arguments and
 * globals only.
 *
 * @module
 */

/** What part of the plane a picture shows, and how. */
export interface View {
  /** Pixels. */
  width: number;
  /** Pixels. */
  height: number;
  /** Middle, real part. */
  x: number;
  /** Middle, imaginary part. */
  y: number;
  /** Width in the plane. */
  span: number;
  /** Steps after which a point counts as inside. */
  depth: number;
}

/** Seahorse valley of the Mandelbrot set. */
export const SEAHORSES: View = { width: 960, height: 640, x: -0.7453, y: 0.1127, span: 0.0065, depth: 1000 };

/** Rows of a picture of the Mandelbrot set, RGB. */
export function fractal(view: View, from: number, rows: number): Uint8Array<ArrayBuffer> {
  const { width, height, x, y, span, depth } = view;
  const pixels = new Uint8Array(3 * width * rows);
  const scale = span / width;
  for (let row = 0, at = 0; row < rows; row++) {
    const imaginary = y + (from + row - height / 2) * scale;
    for (let column = 0; column < width; column++, at += 3) {
      const real = x + (column - width / 2) * scale;
      let a = 0;
      let b = 0;
      let steps = 0;
      while (steps < depth && a * a + b * b <= 16) {
        [a, b] = [a * a - b * b + real, 2 * a * b + imaginary];
        steps++;
      }
      if (steps === depth) continue; // inside: black
      const smooth = steps + 1 - Math.log2(Math.log2(a * a + b * b) / 2);
      for (let colour = 0; colour < 3; colour++) {
        pixels[at + colour] = 127.5 + 127.5 * Math.cos(Math.log(smooth) * 6 + colour * 0.9 + 1.5);
      }
    }
  }
  return pixels;
}

/** Puts bands of rows one below the other. */
export function joinRows(bands: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const pixels = new Uint8Array(bands.reduce((length, band) => length + band.length, 0));
  let at = 0;
  for (const band of bands) {
    pixels.set(band, at);
    at += band.length;
  }
  return pixels;
}
