// The exported page: samples, codes and networks are in the file, and nothing is asked of anyone.
import "../style.css"; // first: what views add stands after it
import { render } from "preact";
import { offline } from "../model/offline";
import { applyTheme } from "../state/theme";
import { Notice } from "../ui/notice";
import { ThemeSwitch } from "../ui/theme";
import { Hands } from "../views/hands";
import { contentOf } from "./content";

async function start(root: HTMLElement): Promise<void> {
  render(<main class="alone"><Notice whole kind="loading" title="Unpacking the model" /></main>, root);
  try {
    const explorer = offline(await contentOf(document.getElementById("content")?.textContent ?? ""));
    render(<Hands explorer={explorer} foot={<ThemeSwitch />} />, root);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    render(<main class="alone"><Notice whole kind="error" title="This page cannot be shown">{message} A current browser is needed.</Notice></main>, root);
  }
}

applyTheme();
const root = document.getElementById("page");
if (root !== null) void start(root);
