export function GenerateView() {
  return <h1>Generate</h1>;
}
