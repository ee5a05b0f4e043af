"use strict";

/* What Swagger UI leaves out: the dark mode that the browser asks for, and names of the lists of examples. */

const darkness = window.matchMedia("(prefers-color-scheme: dark)");
const applyDarkness = () => document.documentElement.classList.toggle("dark-mode", darkness.matches);

applyDarkness();
darkness.addEventListener("change", applyDarkness);

new MutationObserver(() => {
    for (const select of document.querySelectorAll(".examples-select-element:not([aria-label])")) {
        select.setAttribute("aria-label", "Example");
    }
}).observe(document.documentElement, { childList: true, subtree: true });
