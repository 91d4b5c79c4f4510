// One field of the form, by its type: text, a choice, a switch, or a component with fields of its own.
import { useState } from "preact/hooks";
import type { FormField } from "../../api/types";
import { Button, Checkbox, Select, TextField } from "../../ui/controls";
import { partsOf, problemWith, textOf, type Parts } from "./values";

interface Props {
  field: FormField;
  /** Empty where it is left at the default. */
  value: string;
  onChange: (value: string) => void;
  /** What the server has against it. */
  error?: string | undefined;
}

export function Field({ field, value, onChange, error }: Props) {
  if (field.type === "component") return <ComponentField field={field} value={value} onChange={onChange} error={error} />;
  if (field.type === "list" && field.options.length > 0) return <ListField field={field} value={value} onChange={onChange} error={error} />;
  return <Plain field={field} value={value} onChange={onChange} error={error} />;
}

function Plain({ field, value, onChange, error }: Props) {
  const label = nameOf(field);
  if (field.type === "flag") {
    const on = (value || field.default).toLowerCase() === "true";
    return (
      <div class="flag">
        <Checkbox label={label} checked={on} onChange={(checked) => onChange(String(checked))} />
        <p class={error === undefined ? "hint" : "hint wrong"}>{error ?? field.help}</p>
      </div>
    );
  }
  if (field.type === "choice" && field.choices !== null) {
    return (
      <div class="field">
        <Select label={label} value={value || field.default} onChange={onChange} hint={error ?? field.help} options={withDefault(field, field.choices)} />
      </div>
    );
  }
  return (
    <TextField
      label={label} value={value} placeholder={field.default} onInput={onChange} hint={field.help} error={error ?? problemWith(field, value)}
      inputMode={field.type === "whole" && !/^[a-z]/i.test(field.default) ? "numeric" : "text"}
    />
  );
}

function ComponentField({ field, value, onChange, error }: Props) {
  const [opened, setOpened] = useState(false);
  const parts = partsOf(value || field.default, field.options);
  const option = field.options.find(({ name }) => name === parts.name);
  const names = field.options.map(({ name }) => name);
  const usual = partsOf(field.default, field.options).name;
  const open = value !== "" || opened;
  return (
    <>
      <div class="component">
        <Select
          label={nameOf(field)} value={parts.name} hint={error ?? (open && option?.about ? option.about : field.help)}
          options={withDefault({ ...field, default: usual }, names.includes(usual) ? names : [usual, ...names])}
          onChange={(name) => onChange(name === usual ? "" : name)}
        />
        {!open && option !== undefined && option.fields.length > 0 && (
          <Button kind="quiet" label={`Options of ${parts.name}`} onClick={() => setOpened(true)}>Options of {parts.name}</Button>
        )}
      </div>
      {open && option !== undefined && option.fields.length > 0 && (
        <div class="nested panel" role="group" aria-label={`${nameOf(field)}: ${parts.name}`}>
          <b>{nameOf(field)}: {parts.name}</b>
          <Inner option={option} field={field} parts={parts} onChange={(text) => onChange(text === field.default ? "" : text)} />
        </div>
      )}
    </>
  );
}

/** The fields of a chosen component. */
function Inner(
  { option, field, parts, onChange }: { option: FormField["options"][number]; field: FormField; parts: Parts; onChange: (text: string) => void },
) {
  return (
    <div class="fields">
      {option.fields.map((inner) => (
        <Plain
          key={inner.name} field={inner} value={parts.values[inner.name] ?? ""}
          onChange={(next) => onChange(textOf({ name: parts.name, values: { ...parts.values, [inner.name]: next } }, field.options))}
        />
      ))}
    </div>
  );
}

/** Any number of components, such as penalties: each with its own fields. */
function ListField({ field, value, onChange, error }: Props) {
  const items = value.split(/\s+/).filter(Boolean);
  const set = (next: string[]) => onChange(next.join(" "));
  const left = field.options.filter(({ name }) => !items.some((item) => partsOf(item, field.options).name === name));
  return (
    <div class={items.length > 0 ? "component panel" : "component"}>
      {items.map((item, i) => {
        const parts = partsOf(item, field.options), { name } = parts;
        const option = field.options.find((one) => one.name === name);
        return (
          <div class="nested" key={name}>
            <div class="spread"><b>{name}</b><Button kind="quiet" label={`Take ${name} out`} onClick={() => set(items.filter((_, j) => j !== i))}>×</Button></div>
            {option !== undefined && option.about !== "" && <p class="hint">{option.about}</p>}
            {option !== undefined && <Inner option={option} field={field} parts={parts} onChange={(text) => set(items.map((old, j) => (j === i ? text : old)))} />}
          </div>
        );
      })}
      <Select
        label={items.length > 0 ? `Another ${nameOf(field).toLowerCase()}` : nameOf(field)} value="" hint={error ?? field.help}
        options={[{ value: "", label: items.length > 0 ? "Choose" : "none (default)" }, ...left.map(({ name }) => ({ value: name, label: name }))]}
        onChange={(name) => name !== "" && set([...items, name])}
      />
    </div>
  );
}

function withDefault(field: FormField, names: string[]): { value: string; label: string }[] {
  return names.map((name) => ({ value: name, label: name === field.default ? `${name} (default)` : name }));
}

export function nameOf(field: FormField): string {
  const words = field.name.replaceAll("_", " ").replace(/\bkl\b/, "KL").replace(/\bdim\b/, "dimension");
  return words.charAt(0).toUpperCase() + words.slice(1);
}
