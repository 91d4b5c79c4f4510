// The page: a bar at the left, and the view that the address names.
import { render } from "preact";
import { App } from "./app";
import { applyTheme } from "./state/theme";
import "./style.css";

applyTheme();
const root = document.getElementById("page");
if (root !== null) render(<App />, root);
