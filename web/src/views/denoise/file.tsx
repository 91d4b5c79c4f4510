// A picture file: chosen by a button, or dropped.
import { useId, useState } from "preact/hooks";

export function FileDrop({ onFile }: { onFile: (file: File) => void }) {
  const id = useId();
  const [name, setName] = useState("");
  const [over, setOver] = useState(false);
  const take = (file: File | undefined | null) => {
    if (!file) return;
    setName(file.name);
    onFile(file);
  };
  return (
    <div
      class={`drop ${over ? "over" : ""}`}
      onDragOver={(event) => { event.preventDefault(); setOver(true); }}
      onDragLeave={() => setOver(false)}
      onDrop={(event) => { event.preventDefault(); setOver(false); take(event.dataTransfer?.files[0]); }}
    >
      <input
        id={id} class="visually-hidden" type="file" accept="image/png,image/jpeg"
        onChange={(event) => { take(event.currentTarget.files?.[0]); event.currentTarget.value = ""; }}
      />
      <label for={id} class="button">Choose a picture</label>
      <p class="small faint">{name || "or drop a PNG or JPEG file here"}</p>
    </div>
  );
}
