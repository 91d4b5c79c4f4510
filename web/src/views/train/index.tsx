// A training from a form made of the model's parameters, with the command that does the same. All of it is in the address.
import { useEffect, useMemo, useState } from "preact/hooks";
import { get, post, ServerError } from "../../api/http";
import type { Form, FormField } from "../../api/types";
import { go, setParams, useParam, useRoute } from "../../state/route";
import { expect } from "../../state/runs";
import { useRequest } from "../../state/request";
import { Button, Segmented, Select, TextField } from "../../ui/controls";
import { Copy } from "../../ui/copy";
import { Notice } from "../../ui/notice";
import { Field } from "./field";
import { fieldIn, FIRST, problemWith, requestOf, type Request } from "./values";
import "./train.css";

interface Known {
  form: Form;
  datasets: { name: string; about: string }[];
}

export function TrainView() {
  const { value: known, error, retry } = useRequest<Known>("form", async (signal) => {
    const [form, { datasets }] = await Promise.all([get<Form>("api/form", signal), get<{ datasets: Known["datasets"] }>("api/data", signal)]);
    return { form, datasets };
  });
  if (error !== "") return <Notice whole kind="error" title="No form" action={{ label: "Try again", run: retry }}>{error}</Notice>;
  if (known === null) return <Notice whole kind="loading" title="Loading the form" />;
  return <TrainForm {...known} />;
}

const OWN = ["model", "preset", "data", "options", "name"];

function TrainForm({ form, datasets }: Known) {
  const { params } = useRoute();
  const usual = form.models.find(({ name }) => name === "vae")?.name ?? form.models[0]?.name ?? "";
  const [model] = useParam("model", usual);
  const [preset] = useParam("preset", "");
  const [data, setData] = useParam("data", "mnist-5k");
  const [options, setOptions] = useParam("options", "");
  const [name, setName] = useParam("name", "");
  const values = useMemo(() => Object.fromEntries([...params].filter(([key]) => !OWN.includes(key))), [params.toString()]);
  const chosen = form.models.find((one) => one.name === model) ?? form.models[0];
  const fields = chosen?.fields ?? [];
  const request = requestOf(form, { model: chosen?.name ?? "", data, options, name, values });
  const { command, error: refused } = useCommand(request);
  const [failed, setFailed] = useState("");
  const [starting, setStarting] = useState(false);
  const sentence = failed || refused;
  const beside = sentence === "" ? null : fieldIn(sentence, [...fields.map((field) => field.name), "data", "name"]);
  const problems = fields.flatMap((field) => {
    const problem = problemWith(field, values[field.name] ?? "");
    return problem === undefined ? [] : [{ name: field.name, problem }];
  });

  const choosePreset = (to: string) => {
    const found = form.presets.find((one) => one.name === to);
    const cleared = Object.fromEntries(Object.keys(values).map((key) => [key, null]));
    setFailed("");
    setParams(found === undefined ? { ...cleared, preset: null } : {
      ...cleared, preset: to, model: found.model, ...(found.data ? { data: found.data } : {}),
      options: Object.entries(found.data_options ?? {}).map(([key, value]) => `${key}=${value}`).join(" ") || null, ...found.parameters,
    });
  };
  const start = async () => {
    setStarting(true);
    setFailed("");
    try {
      const { run } = await post<{ run: string }>("api/train", request);
      await expect(run);
      go({ view: "run", run, params: new URLSearchParams() });
    } catch (reason) {
      setFailed((reason as Error).message);
    } finally {
      setStarting(false);
    }
  };
  const draw = (some: FormField[]) => some.map((field) => (
    <Field
      key={`${model} ${field.name}`} field={field} value={values[field.name] ?? ""} error={beside === field.name ? sentence : undefined}
      onChange={(value) => { setFailed(""); setParams({ [field.name]: value === "" || value === field.default ? null : value }); }}
    />
  ));
  return (
    <>
      <div class="head"><h1>Train</h1><p class="faint">{chosen?.about}</p></div>
      <form class="train" onSubmit={(event) => { event.preventDefault(); void start(); }}>
        <div class="stack">
          {sentence !== "" && beside === null && <p class="failure" role="alert">{sentence}</p>}
          <section class="card stack" aria-labelledby="what">
            <h2 id="what">Model and data</h2>
            <Segmented
              label="Model" value={model} options={form.models.map((one) => ({ value: one.name, label: one.name.toUpperCase() }))}
              onChange={(value) => { setFailed(""); setParams({ model: value, preset: null }); }}
            />
            <div class="fields">
              {form.presets.length > 0 && (
                <Select
                  label="Preset" value={preset} onChange={choosePreset} hint="Settings of a published model; all can be changed below."
                  options={[{ value: "", label: "none" }, ...form.presets.map((one) => ({ value: one.name, label: one.title ? `${one.name}: ${one.title}` : one.name }))]}
                />
              )}
              <TextField
                label="Data" value={data} onInput={setData} list={datasets.map((one) => one.name)} error={beside === "data" ? sentence : undefined}
                hint={datasets.find((one) => one.name === data)?.about ?? "A data set by name, or the path of a file or folder."}
              />
              <TextField label="Options of the data" value={options} onInput={setOptions} placeholder="label=quality" hint="Such as label=quality or samples=500, apart by spaces." />
              <TextField label="Name of the run" value={name} onInput={setName} placeholder="model, data and a number" error={beside === "name" ? sentence : undefined} hint="Of its folder." />
            </div>
          </section>
          <Group title="Model" id="model" fields={fields.filter(({ group }) => group === "model")} values={values} draw={draw} wrong={[...problems.map((one) => one.name), beside ?? ""]} />
          <Group title="Training" id="training" fields={fields.filter(({ group }) => group === "training")} values={values} draw={draw} wrong={[...problems.map((one) => one.name), beside ?? ""]} />
        </div>
        <aside class="card stack start" aria-labelledby="start">
          <h2 id="start">Start</h2>
          <p class="hint">The same on the command line:</p>
          {command === "" ? <p class="copy wrap hint">The command stands here as soon as all values are right.</p> : <Copy text={command} label="Copy the command" wrap />}
          <Changed values={request.parameters} onClear={() => setParams(Object.fromEntries(Object.keys(values).map((key) => [key, null])))} />
          <Button type="submit" kind="primary" disabled={starting || problems.length > 0}>{starting ? "Starting: reading the data" : "Start training"}</Button>
          {problems[0] !== undefined && <p class="hint wrong">{problems[0].problem}</p>}
          <p class="hint">It trains in a process of its own: closing this page does not stop it.</p>
        </aside>
      </form>
    </>
  );
}

function Group(
  { title, id, fields, values, draw, wrong }: {
    title: string; wrong: string[]; id: string; fields: FormField[]; values: Record<string, string>; draw: (fields: FormField[]) => preact.ComponentChildren;
  },
) {
  const first = fields.filter(({ name }) => FIRST.includes(name));
  const others = fields.filter(({ name }) => !FIRST.includes(name));
  const changed = others.filter((field) => (values[field.name] ?? "") !== "").length;
  const [open, setOpen] = useState(changed > 0);
  const refused = others.some(({ name }) => wrong.includes(name));
  useEffect(() => {
    if (refused) setOpen(true); // what is wrong is seen
  }, [refused]);
  if (fields.length === 0) return null;
  return (
    <section class="card stack" aria-labelledby={`group-${id}`}>
      <h2 id={`group-${id}`}>{title}</h2>
      {first.length > 0 && <div class="fields">{draw(first)}</div>}
      {others.length > 0 && (
        <details open={open} onToggle={(event) => setOpen(event.currentTarget.open)}>
          <summary>{first.length > 0 ? `${others.length} more` : `${others.length} settings`}{changed > 0 && <span class="hint"> {changed} changed</span>}</summary>
          {open && <div class="fields">{draw(others)}</div>}
        </details>
      )}
    </section>
  );
}

function Changed({ values, onClear }: { values: Record<string, string>; onClear: () => void }) {
  const count = Object.keys(values).length;
  return (
    <div class="spread">
      <span class="hint" aria-live="polite">{count === 0 ? "All settings at their defaults" : `${count} ${count === 1 ? "setting" : "settings"} changed`}</span>
      {count > 0 && <Button kind="quiet" onClick={onClear}>Reset</Button>}
    </div>
  );
}

/** The command line of the form, a moment after the last change, or what the command line has against it. */
function useCommand(request: Request): { command: string; error: string } {
  const [state, setState] = useState({ command: "", error: "" });
  const text = JSON.stringify(request);
  useEffect(() => {
    let stopped = false;
    const timer = setTimeout(() => {
      post<{ command: string }>("api/command", request).then(
        ({ command }) => !stopped && setState({ command, error: "" }),
        (reason: Error) => !stopped && setState(({ command }) => ({ command, error: reason instanceof ServerError && reason.status === 0 ? "" : reason.message })),
      );
    }, 200);
    return () => {
      stopped = true;
      clearTimeout(timer);
    };
  }, [text]);
  return state;
}
