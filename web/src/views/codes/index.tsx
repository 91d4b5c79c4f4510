export function CodesView() {
  return <h1>Codes</h1>;
}
