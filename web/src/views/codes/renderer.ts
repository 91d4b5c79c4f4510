// What draws the points and the thumbnails: WebGL2, or Canvas2D where there is none. Both take the same scene.
import type { Viewport } from "./viewport";

/** As many thumbnails as are drawn, and kept on the graphics processor, at once. */
export const SLOTS = 4096;
export const SLOTS_ACROSS = 64;

/** The thumbnails of one picture, in arrays that are written anew and never allocated. */
export class Tiles {
  count = 0;
  /** Which point, and where in the atlas its picture lies. */
  readonly index = new Int32Array(SLOTS);
  readonly slot = new Uint16Array(SLOTS);
  /** The longest side on the screen, in pixels of the page, and how far they have faded in. */
  size = 0;
  alpha = 1;
}

export interface TileShape {
  height: number;
  width: number;
  channels: number;
}

export interface Renderer {
  readonly name: "webgl" | "canvas";
  resize(width: number, height: number, ratio: number): void;
  setBackground(rgb: readonly [number, number, number]): void;
  /** Places of the points (x, y, x, y, ...). */
  setPoints(points: Float32Array): void;
  /** Four bytes of each point, red, green, blue, alpha; alpha 0 is not drawn. */
  setColours(colours: Uint8Array): void;
  setTileShape(shape: TileShape): void;
  upload(slot: number, pixels: Uint8Array): void;
  draw(view: Viewport, diameter: number, tiles: Tiles): void;
  dispose(): void;
}

/** The diameter of a point in pixels of the page: small where there are many, larger when zoomed in. */
export function diameterOf(count: number, zoom: number): number {
  const first = Math.min(7, 2 + 110 / Math.sqrt(Math.max(1, count)));
  return Math.min(9, first * Math.max(1, zoom) ** 0.4);
}
