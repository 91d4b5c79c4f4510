// What a run is: its settings, the command that repeats it, what diagnosis says, its pictures, data and versions.
import { useState } from "preact/hooks";
import { runPath } from "../../api/http";
import type { Advice, RunDetail } from "../../api/types";
import { Checkbox } from "../../ui/controls";
import { Copy } from "../../ui/copy";
import { whole } from "../../ui/numbers";

export function Settings({ detail }: { detail: RunDetail }) {
  const [all, setAll] = useState(false);
  const changed = detail.settings.filter((setting) => setting.changed);
  const shown = all ? detail.settings : changed;
  return (
    <section class="card stack" aria-labelledby="settings">
      <div class="spread">
        <h2 id="settings">Settings</h2>
        <Checkbox label={`All ${detail.settings.length}`} checked={all} onChange={setAll} />
      </div>
      {shown.length === 0 ? <p class="faint">All at their defaults.</p> : (
        <div class="table-scroll" tabIndex={0} role="group" aria-label="Settings">
          <table class="settings">
            <thead><tr><th scope="col">Name</th><th scope="col">Value</th><th scope="col">Default</th></tr></thead>
            <tbody>
              {shown.map(({ name, text, default: usual, help, changed: differs }) => (
                <tr key={name} class={differs ? "differs" : ""}>
                  <th scope="row"><span class="mono">{name}</span><span class="hint">{help}</span></th>
                  <td class="mono">{text}</td>
                  <td class="mono faint">{usual}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      <h3>The command that repeats it</h3>
      <Copy text={detail.command} />
    </section>
  );
}

export function AdviceList({ advice, running }: { advice: Advice[] | null; running: boolean }) {
  return (
    <section class="card stack" aria-labelledby="advice">
      <h2 id="advice">Diagnosis</h2>
      <div class="stack" aria-live="polite">
        {advice === null && <p class="faint">{running ? "It begins with a few epochs." : "Under way."}</p>}
        {advice?.length === 0 && <p class="faint">{running ? "Nothing to say so far." : "Nothing to say against this run."}</p>}
        {advice?.map(({ title, text, command, severity }) => (
          <article key={title} class={`advice of-${severity}`}>
            <h3>{title}</h3>
            <p>{text}</p>
            {command !== null && <Copy text={command} />}
          </article>
        ))}
      </div>
    </section>
  );
}

export function Pictures({ detail }: { detail: RunDetail }) {
  if (detail.pictures.length === 0) return null;
  return (
    <section class="card stack" aria-labelledby="pictures">
      <h2 id="pictures">Pictures</h2>
      <div class="pictures">
        {detail.pictures.map(({ file, caption }) => {
          const address = runPath(detail.name, `pictures/${encodeURIComponent(file)}`);
          return (
            <figure key={file}>
              <a href={address} target="_blank" rel="noopener"><img src={address} alt={caption || file} loading="lazy" /></a>
              <figcaption>{caption || file}</figcaption>
            </figure>
          );
        })}
      </div>
    </section>
  );
}

export function About({ detail }: { detail: RunDetail }) {
  const { data_about: data } = detail;
  const splits = ["train", "validation", "test"].filter((name) => typeof data.splits[name] === "number");
  const how = data.splits["how"];
  const facts: [string, string][] = [
    ["Data", data.name], ["Source", data.source], ["Licence", data.licence], ["One sample", data.shape.join(" × ")],
    ["Samples", splits.map((name) => `${whole(data.splits[name] as number)} ${name}`).join(", ")],
    ...(typeof how === "string" ? [["Splits", how] as [string, string]] : []),
    ["Started", new Date(detail.started).toLocaleString()],
    ["Ended", detail.ended === null ? "–" : new Date(detail.ended).toLocaleString()],
    ["Versions", Object.entries(detail.versions).map(([name, version]) => `${name} ${version}`).join(", ")],
  ];
  return (
    <details class="card">
      <summary><h2>Data and versions</h2></summary>
      <dl class="about-facts">{facts.map(([name, text]) => <div key={name}><dt>{name}</dt><dd>{text}</dd></div>)}</dl>
    </details>
  );
}
