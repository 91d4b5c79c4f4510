export function CombineView() {
  return <h1>Combine</h1>;
}
