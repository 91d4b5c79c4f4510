// The views of one model as they stand alone, in an exported page and in a notebook: a head, tabs, and the view.
import type { ComponentChildren } from "preact";
import type { Explorer } from "../model/explorer";
import { Given } from "../model/use";
import { go, useRoute } from "../state/route";
import { whole } from "../ui/numbers";
import { Toasts } from "../ui/toasts";
import { CodesView } from "./codes";
import { CombineView } from "./combine";
import { DenoiseView } from "./denoise";
import { GenerateView } from "./generate";
import "./hands.css";

const VIEWS = [
  { id: "codes", label: "Codes", view: CodesView },
  { id: "combine", label: "Combine", view: CombineView },
  { id: "denoise", label: "Denoise", view: DenoiseView },
  { id: "generate", label: "Generate", view: GenerateView },
];

export function Hands({ explorer, foot, level = "page" }: { explorer: Explorer; foot?: ComponentChildren; level?: "page" | "part" }) {
  const route = useRoute();
  const chosen = VIEWS.find(({ id }) => id === route.view) ?? VIEWS[0]!;
  const { info } = explorer;
  const View = chosen.view;
  const show = (id: string) => go({ view: id, run: info.run, params: new URLSearchParams() });
  const Body = level === "page" ? "main" : "div";
  return (
    <div class="hands frame-alone">
      <header class="hands-head">
        <svg viewBox="0 0 32 32" aria-hidden="true"><path d="M3 5 L16 13 L29 5 V27 L16 19 L3 27 Z" /></svg>
        <p class="hands-name"><strong>{info.run}</strong> <span class="faint">{described(explorer)}</span></p>
        <nav aria-label="Views">
          {VIEWS.map(({ id, label }) => (
            <button
              key={id} type="button" class={id === chosen.id ? "chosen" : ""} onClick={() => show(id)}
              {...(id === chosen.id ? { "aria-current": "page" as const } : {})}
            >
              {label}
            </button>
          ))}
        </nav>
        {foot && <div class="hands-foot">{foot}</div>}
      </header>
      <Body class={`hands-view view-${chosen.id}`}>
        <Given explorer={explorer}><View key={chosen.id} /></Given>
      </Body>
      <Toasts />
    </div>
  );
}

function described({ info }: Explorer): string {
  const splits = Object.entries(info.splits);
  const count = splits.map(([name, n]) => `${whole(n)} ${splits.length > 1 ? `${name} ` : ""}samples`).join(", "); // one split needs no name
  return `${info.model}, latent dimension ${info.latent_dim}${count && `, ${count}`}`;
}
