"use strict";

/* What the theme leaves out: for screen readers, a main landmark and names of search boxes and signs. */

function nameParts() {
    const content = document.getElementById("content");
    if (content && !document.querySelector("main, [role=main]")) {
        content.setAttribute("role", "main");
    }
    for (const select of document.querySelectorAll("select.select2-hidden-accessible")) {
        const label = select.labels[0]?.textContent.trim() || select.getAttribute("aria-label") || select.name;
        select.parentElement.querySelector(".select2-selection__rendered")?.setAttribute("aria-label", label);
    }
    for (const tip of document.querySelectorAll(".help-tooltip[aria-label]")) {
        tip.setAttribute("role", "img");
    }
}

window.addEventListener("load", () => setTimeout(nameParts)); // after those who make the parts
document.addEventListener("formset:added", () => setTimeout(nameParts));

/* The theme asks for the browser's scheme when a page opens; this follows it while the page stays open. */

const darkness = window.matchMedia("(prefers-color-scheme: dark)");
darkness.addEventListener("change", () => {
    if (Alpine.$data(document.documentElement).adminTheme === "auto") {
        document.documentElement.classList.toggle("dark", darkness.matches);
    }
});
