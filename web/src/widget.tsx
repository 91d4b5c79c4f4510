// The widget of a notebook: the views of a model over anywidget's channel.
import "./style.css"; // first: what views add stands after it
import { render } from "preact";
import { jupyter, type Kernel } from "./model/jupyter";
import { keepInMemory } from "./state/route";
import { Hands } from "./views/hands";

export default {
  render({ model, el }: { model: Kernel; el: HTMLElement }): () => void {
    keepInMemory({ view: "codes", run: null, params: new URLSearchParams() }); // the address is the notebook's
    const explorer = jupyter(model);
    el.classList.add("narrows-widget");
    const forget = likeTheNotebook(el);
    render(<Hands explorer={explorer} level="part" />, el);
    return () => {
      render(null, el);
      explorer.close();
      forget();
    };
  },
};

/** Light or dark as the notebook is, where it says so: it need not be what the system prefers. */
function likeTheNotebook(el: HTMLElement): () => void {
  const { body } = document;
  const apply = () => {
    const says = body.dataset["jpThemeLight"] ?? (body.classList.contains("vscode-dark") ? "false" : body.classList.contains("vscode-light") ? "true" : null);
    if (says === null) delete el.dataset["theme"];
    else el.dataset["theme"] = says === "true" ? "light" : "dark";
    window.dispatchEvent(new Event("narrows-theme"));
  };
  const observer = new MutationObserver(apply);
  observer.observe(body, { attributes: true, attributeFilter: ["data-jp-theme-light", "class"] });
  apply();
  return () => observer.disconnect();
}
