// What tests use of Node: its types are no dependency of the page.
declare module "node:fs" {
  export function readdirSync(folder: string): string[];
  export function readFileSync(file: string): Uint8Array;
}
declare const process: { env: Record<string, string | undefined> };
