export function RunView({ run }: { run: string }) {
  return <h1>{run}</h1>;
}
