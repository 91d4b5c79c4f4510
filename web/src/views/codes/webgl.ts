// Points and thumbnails with WebGL2: one draw call for all points, one for all thumbnails.
import { SLOTS, SLOTS_ACROSS, type Renderer, type Tiles, type TileShape } from "./renderer";
import type { Viewport } from "./viewport";

const PLACE = `#version 300 es
precision highp float;
uniform vec2 scale, centre;
vec2 place(vec2 at) { return (at - centre) * scale; }`;

const POINT_VERTEX = `${PLACE}
uniform float diameter;
layout(location=0) in vec2 at;
layout(location=1) in vec4 colour;
out vec4 tint;
void main() {
  tint = colour;
  gl_Position = vec4(colour.a > 0.0 ? place(at) : vec2(9.0), 0.0, 1.0);
  gl_PointSize = diameter + 1.0;
}`;

const POINT_FRAGMENT = `#version 300 es
precision highp float;
uniform float diameter;
in vec4 tint;
out vec4 pixel;
void main() {
  float distance = length(gl_PointCoord - 0.5) * (diameter + 1.0);
  pixel = vec4(tint.rgb, tint.a * clamp(diameter * 0.5 + 0.5 - distance, 0.0, 1.0));
}`;

const TILE_VERTEX = `${PLACE}
uniform vec2 extent; // of a thumbnail with its edge, in clip coordinates
uniform vec2 pixels; // the same in pixels
layout(location=0) in vec2 at;
layout(location=1) in vec4 colour;
layout(location=2) in float slot;
out vec2 within;
out vec3 tint;
flat out vec2 corner;
void main() {
  vec2 unit = vec2(gl_VertexID & 1, gl_VertexID >> 1) - 0.5;
  tint = colour.rgb;
  within = vec2(unit.x, -unit.y) * pixels;
  corner = vec2(mod(slot, ${SLOTS_ACROSS}.0), floor(slot / ${SLOTS_ACROSS}.0));
  gl_Position = vec4(place(at) + unit * extent, 0.0, 1.0);
}`;

const TILE_FRAGMENT = `#version 300 es
precision highp float;
uniform mediump sampler2D atlas;
uniform vec2 tile, picture; // in texels, and in pixels of the screen
uniform float alpha, edge;
uniform bool grey;
in vec2 within;
in vec3 tint;
flat in vec2 corner;
out vec4 pixel;
void main() {
  vec2 beyond = abs(within) - picture * 0.5;
  float outside = length(max(beyond - edge + edge * 1.6, 0.0)) - edge * 1.6; // a rounded corner
  if (outside > 0.5) discard;
  vec2 texel = clamp((within / picture + 0.5) * tile, vec2(0.5), tile - 0.5);
  vec4 found = texture(atlas, (corner * tile + texel) / (tile * ${SLOTS_ACROSS}.0));
  bool border = max(beyond.x, beyond.y) > 0.0;
  pixel = vec4(border ? tint : grey ? found.rrr : found.rgb, alpha * clamp(0.5 - outside, 0.0, 1.0));
}`;

const SOFTWARE = /swiftshader|llvmpipe|softpipe|software|basic render/i; // graphics processors that are none

function nameOf(gl: WebGL2RenderingContext): string {
  const more = gl.getExtension("WEBGL_debug_renderer_info");
  return String(gl.getParameter(more === null ? gl.RENDERER : more.UNMASKED_RENDERER_WEBGL));
}

interface Program {
  program: WebGLProgram;
  uniform: (name: string) => WebGLUniformLocation | null;
}

export class WebglRenderer implements Renderer {
  readonly name = "webgl";
  private readonly gl: WebGL2RenderingContext;
  private readonly points: Program;
  private readonly tiles: Program;
  private readonly pointArray: WebGLVertexArrayObject;
  private readonly tileArray: WebGLVertexArrayObject;
  private readonly placeBuffer: WebGLBuffer;
  private readonly colourBuffer: WebGLBuffer;
  private readonly tileBuffer: WebGLBuffer;
  private readonly tileFloats = new Float32Array(SLOTS * 4); // x, y, colour as four bytes, slot
  private readonly tileBytes = new Uint8Array(this.tileFloats.buffer);
  private places: Float32Array = new Float32Array(0);
  private colours: Uint8Array = new Uint8Array(0);
  private texture: WebGLTexture | null = null;
  private shape: TileShape = { height: 1, width: 1, channels: 1 };
  private ratio = 1;
  private count = 0;

  /** `slow`: also where WebGL2 is computed by the processor, which the canvas is faster at. */
  constructor(private readonly canvas: HTMLCanvasElement, slow: boolean) {
    const gl = canvas.getContext("webgl2", {
      alpha: false, antialias: false, depth: false, powerPreference: "low-power", failIfMajorPerformanceCaveat: !slow,
    });
    if (gl === null) throw new Error("the browser has no WebGL2 on a graphics processor");
    if (!slow && SOFTWARE.test(nameOf(gl))) {
      gl.getExtension("WEBGL_lose_context")?.loseContext();
      throw new Error(`WebGL2 is computed by ${nameOf(gl)}`);
    }
    this.gl = gl;
    this.points = this.link(POINT_VERTEX, POINT_FRAGMENT);
    this.tiles = this.link(TILE_VERTEX, TILE_FRAGMENT);
    this.placeBuffer = gl.createBuffer()!;
    this.colourBuffer = gl.createBuffer()!;
    this.tileBuffer = gl.createBuffer()!;
    this.pointArray = gl.createVertexArray()!;
    gl.bindVertexArray(this.pointArray);
    this.attribute(this.placeBuffer, 0, 2, gl.FLOAT, false, 0, 0);
    this.attribute(this.colourBuffer, 1, 4, gl.UNSIGNED_BYTE, true, 0, 0);
    this.tileArray = gl.createVertexArray()!;
    gl.bindVertexArray(this.tileArray);
    gl.bindBuffer(gl.ARRAY_BUFFER, this.tileBuffer);
    gl.bufferData(gl.ARRAY_BUFFER, this.tileFloats.byteLength, gl.DYNAMIC_DRAW);
    this.attribute(this.tileBuffer, 0, 2, gl.FLOAT, false, 16, 0);
    this.attribute(this.tileBuffer, 1, 4, gl.UNSIGNED_BYTE, true, 16, 8);
    this.attribute(this.tileBuffer, 2, 1, gl.FLOAT, false, 16, 12);
    for (const location of [0, 1, 2]) gl.vertexAttribDivisor(location, 1);
    gl.bindVertexArray(null);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.SRC_ALPHA, gl.ONE_MINUS_SRC_ALPHA);
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
  }

  private attribute(buffer: WebGLBuffer, at: number, size: number, type: number, normalized: boolean, stride: number, offset: number): void {
    const { gl } = this;
    gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
    gl.enableVertexAttribArray(at);
    gl.vertexAttribPointer(at, size, type, normalized, stride, offset);
  }

  private link(vertex: string, fragment: string): Program {
    const { gl } = this;
    const program = gl.createProgram();
    for (const [type, source] of [[gl.VERTEX_SHADER, vertex], [gl.FRAGMENT_SHADER, fragment]] as const) {
      const shader = gl.createShader(type);
      if (shader === null) throw new Error("the WebGL2 context was lost");
      gl.shaderSource(shader, source);
      gl.compileShader(shader);
      gl.attachShader(program, shader);
      gl.deleteShader(shader);
    }
    gl.linkProgram(program);
    if (!gl.getProgramParameter(program, gl.LINK_STATUS)) throw new Error(`the points cannot be drawn: ${gl.getProgramInfoLog(program) ?? ""}`);
    const found = new Map<string, WebGLUniformLocation | null>();
    const uniform = (name: string) => {
      if (!found.has(name)) found.set(name, gl.getUniformLocation(program, name));
      return found.get(name) ?? null;
    };
    return { program, uniform };
  }

  resize(width: number, height: number, ratio: number): void {
    this.ratio = ratio;
    this.canvas.width = Math.max(1, Math.round(width * ratio));
    this.canvas.height = Math.max(1, Math.round(height * ratio));
    this.gl.viewport(0, 0, this.canvas.width, this.canvas.height);
  }

  setBackground([r, g, b]: readonly [number, number, number]): void {
    this.gl.clearColor(r / 255, g / 255, b / 255, 1);
  }

  setPoints(points: Float32Array): void {
    this.places = points;
    this.count = points.length / 2;
    this.gl.bindBuffer(this.gl.ARRAY_BUFFER, this.placeBuffer);
    this.gl.bufferData(this.gl.ARRAY_BUFFER, points, this.gl.STATIC_DRAW);
  }

  setColours(colours: Uint8Array): void {
    this.colours = colours;
    this.gl.bindBuffer(this.gl.ARRAY_BUFFER, this.colourBuffer);
    this.gl.bufferData(this.gl.ARRAY_BUFFER, colours, this.gl.DYNAMIC_DRAW);
  }

  setTileShape(shape: TileShape): void {
    const { gl } = this;
    this.shape = shape;
    if (this.texture !== null) gl.deleteTexture(this.texture);
    this.texture = gl.createTexture();
    gl.bindTexture(gl.TEXTURE_2D, this.texture);
    gl.texStorage2D(gl.TEXTURE_2D, 1, shape.channels === 1 ? gl.R8 : gl.RGB8, SLOTS_ACROSS * shape.width, SLOTS_ACROSS * shape.height);
    const filter = Math.max(shape.width, shape.height) > 16 ? gl.LINEAR : gl.NEAREST;
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, filter);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, filter);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_S, gl.CLAMP_TO_EDGE);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_T, gl.CLAMP_TO_EDGE);
  }

  upload(slot: number, pixels: Uint8Array): void {
    const { gl } = this;
    const { width, height, channels } = this.shape;
    gl.bindTexture(gl.TEXTURE_2D, this.texture);
    gl.texSubImage2D(
      gl.TEXTURE_2D, 0, (slot % SLOTS_ACROSS) * width, Math.floor(slot / SLOTS_ACROSS) * height, width, height,
      channels === 1 ? gl.RED : gl.RGB, gl.UNSIGNED_BYTE, pixels,
    );
  }

  draw(view: Viewport, diameter: number, tiles: Tiles): void {
    const { gl } = this;
    gl.clear(gl.COLOR_BUFFER_BIT);
    this.begin(this.points, view);
    gl.uniform1f(this.points.uniform("diameter"), diameter * this.ratio);
    gl.bindVertexArray(this.pointArray);
    if (this.count > 0) gl.drawArrays(gl.POINTS, 0, this.count);
    if (tiles.count > 0 && this.texture !== null) this.drawTiles(view, tiles);
  }

  private begin({ program, uniform }: Program, view: Viewport): void {
    this.gl.useProgram(program);
    this.gl.uniform2f(uniform("scale"), (2 * view.sx) / view.width, (2 * view.sy) / view.height);
    this.gl.uniform2f(uniform("centre"), view.cx, view.cy);
  }

  private drawTiles(view: Viewport, tiles: Tiles): void {
    const { gl, ratio, tileFloats, tileBytes, places, colours } = this;
    const { width, height, channels } = this.shape;
    for (let i = 0; i < tiles.count; i++) {
      const at = tiles.index[i]!;
      tileFloats[4 * i] = places[2 * at]!;
      tileFloats[4 * i + 1] = places[2 * at + 1]!;
      for (let c = 0; c < 4; c++) tileBytes[16 * i + 8 + c] = colours[4 * at + c]!;
      tileFloats[4 * i + 3] = tiles.slot[i]!;
    }
    gl.bindVertexArray(this.tileArray);
    gl.bindBuffer(gl.ARRAY_BUFFER, this.tileBuffer);
    gl.bufferSubData(gl.ARRAY_BUFFER, 0, tileFloats, 0, 4 * tiles.count);
    this.begin(this.tiles, view);
    const { uniform } = this.tiles;
    const unit = (tiles.size * ratio) / Math.max(width, height);
    const edge = Math.max(1, Math.round(1.5 * ratio));
    const w = width * unit + 2 * edge + 1, h = height * unit + 2 * edge + 1;
    gl.uniform2f(uniform("pixels"), w, h);
    gl.uniform2f(uniform("extent"), (2 * w) / this.canvas.width, (2 * h) / this.canvas.height);
    gl.uniform2f(uniform("picture"), width * unit, height * unit);
    gl.uniform2f(uniform("tile"), width, height);
    gl.uniform1f(uniform("alpha"), tiles.alpha);
    gl.uniform1f(uniform("edge"), edge);
    gl.uniform1i(uniform("grey"), channels === 1 ? 1 : 0);
    gl.bindTexture(gl.TEXTURE_2D, this.texture);
    gl.drawArraysInstanced(gl.TRIANGLE_STRIP, 0, 4, tiles.count);
  }

  dispose(): void {
    this.gl.getExtension("WEBGL_lose_context")?.loseContext();
  }
}
