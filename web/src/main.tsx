// The page: a bar at the left, and the view that the address names.
import "./style.css"; // first: what views add stands after it
import { render } from "preact";
import { App } from "./app";
import { applyTheme } from "./state/theme";

applyTheme();
const root = document.getElementById("page");
if (root !== null) render(<App />, root);
