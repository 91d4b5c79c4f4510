"""The live page: runs, curves, and models in one's hands, in the browser. Needs the extra `page`."""
