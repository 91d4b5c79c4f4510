// The controls of all views. Each has a label that is seen, works by keyboard, and looks the same everywhere.
import type { ComponentChildren } from "preact";
import { useId } from "preact/hooks";
import { number } from "./numbers";

export function Button(
  { children, onClick, kind = "plain", disabled = false, label, pressed, type = "button" }: {
    children: ComponentChildren; onClick?: () => void; kind?: "plain" | "primary" | "danger" | "quiet";
    disabled?: boolean; label?: string; pressed?: boolean; type?: "button" | "submit";
  },
) {
  return (
    <button
      type={type} class={`button ${kind}`} onClick={onClick} disabled={disabled}
      {...(label === undefined ? {} : { "aria-label": label, title: label })}
      {...(pressed === undefined ? {} : { "aria-pressed": pressed })}
    >
      {children}
    </button>
  );
}

/** A control below its label, with an optional hint. */
export function Labelled(
  { label, hint, error, children }: {
    label: string; hint?: string | undefined; error?: string | undefined; children: (id: string, described: string) => ComponentChildren;
  },
) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{label}</label>
      {children(id, `${id}-hint`)}
      {(error ?? hint) !== undefined && (
        <p id={`${id}-hint`} class={error === undefined ? "hint" : "hint wrong"}>{error ?? hint}</p>
      )}
    </div>
  );
}

export function Select(
  { label, value, options, onChange, hint }: {
    label: string; value: string; options: readonly (string | { value: string; label: string })[];
    onChange: (value: string) => void; hint?: string;
  },
) {
  return (
    <Labelled label={label} hint={hint}>
      {(id) => (
        <select id={id} value={value} onChange={(event) => onChange(event.currentTarget.value)}>
          {options.map((option) => {
            const { value: name, label: text } = typeof option === "string" ? { value: option, label: option } : option;
            return <option key={name} value={name} selected={name === value}>{text}</option>;
          })}
        </select>
      )}
    </Labelled>
  );
}

/** A few choices of which all are seen. */
export function Segmented(
  { label, value, options, onChange }: {
    label: string; value: string; options: readonly { value: string; label: string }[]; onChange: (value: string) => void;
  },
) {
  const name = useId();
  return (
    <fieldset class="segmented">
      <legend>{label}</legend>
      <div>
        {options.map((option) => (
          <label key={option.value} class={option.value === value ? "chosen" : ""}>
            <input type="radio" name={name} checked={option.value === value} onChange={() => onChange(option.value)} />
            {option.label}
          </label>
        ))}
      </div>
    </fieldset>
  );
}

/** A slider whose value stands beside its label, in a place of fixed width. */
export function Slider(
  { label, value, low, high, step, onInput, format = number, marks }: {
    label: string; value: number; low: number; high: number; step: number | "any"; onInput: (value: number) => void;
    format?: (value: number) => string; marks?: ComponentChildren;
  },
) {
  const id = useId();
  return (
    <div class="slider">
      <label for={id}>{label}</label>
      <output for={id}>{format(value)}</output>
      <input
        id={id} type="range" min={low} max={high} step={step} value={value} aria-valuetext={format(value)}
        onInput={(event) => onInput(Number(event.currentTarget.value))}
      />
      {marks}
    </div>
  );
}

export function TextField(
  { label, value, onInput, hint, error, placeholder, type = "text", list, onEnter, inputMode }: {
    label: string; value: string; onInput: (value: string) => void; hint?: string | undefined; error?: string | undefined;
    placeholder?: string | undefined; type?: "text" | "search" | "number"; list?: readonly string[] | undefined; onEnter?: () => void;
    inputMode?: "numeric" | "decimal" | "text";
  },
) {
  const listId = useId();
  return (
    <Labelled label={label} hint={hint} error={error}>
      {(id, described) => (
        <>
          <input
            id={id} type={type} value={value} placeholder={placeholder ?? ""} spellcheck={false} autocomplete="off"
            aria-invalid={error !== undefined} aria-describedby={(error ?? hint) === undefined ? undefined : described}
            {...(inputMode === undefined ? {} : { inputMode })} {...(list === undefined ? {} : { list: listId })}
            onInput={(event) => onInput(event.currentTarget.value)}
            onKeyDown={(event) => {
              if (event.key === "Enter") onEnter?.();
            }}
          />
          {list !== undefined && <datalist id={listId}>{list.map((option) => <option key={option} value={option} />)}</datalist>}
        </>
      )}
    </Labelled>
  );
}

export function Checkbox(
  { label, checked, onChange }: { label: string; checked: boolean; onChange: (checked: boolean) => void },
) {
  return (
    <label class="checkbox">
      <input type="checkbox" checked={checked} onChange={(event) => onChange(event.currentTarget.checked)} />
      {label}
    </label>
  );
}
