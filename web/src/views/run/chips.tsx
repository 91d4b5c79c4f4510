// The runs that are shown side by side, each with a way to take it out, and a way to add another.

interface Props {
  shown: string[];
  /** The one that cannot be taken out. */
  fixed?: string;
  all: string[];
  colours?: Record<string, string>;
  most: number;
  onChange: (shown: string[]) => void;
}

export function Chips({ shown, fixed, all, colours, most, onChange }: Props) {
  const left = all.filter((name) => !shown.includes(name));
  return (
    <div class="others" role="group" aria-label="Runs that are shown">
      {shown.map((name) => (
        <span class="chip" key={name}>
          {colours !== undefined && <span class={`run-swatch ${colours[name] ?? ""}`} aria-hidden="true" />}
          <span class="clip" title={name}>{name}</span>
          {name !== fixed && <button type="button" aria-label={`Take ${name} out`} onClick={() => onChange(shown.filter((other) => other !== name))}>×</button>}
        </span>
      ))}
      {left.length > 0 && shown.length < most && (
        <select
          class="add" aria-label="Show another run beside these" value=""
          onChange={(event) => {
            const name = event.currentTarget.value;
            event.currentTarget.value = "";
            if (name !== "") onChange([...shown, name]);
          }}
        >
          <option value="">Add a run</option>
          {left.map((name) => <option key={name} value={name}>{name}</option>)}
        </select>
      )}
    </div>
  );
}
