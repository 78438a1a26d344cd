"use strict";

// Times are shown in the reader's time zone, which only the browser knows: it is told to the server once.
{
    const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
    const told = () => document.cookie.split("; ").includes(`timezone=${zone}`);
    if (zone && !told()) {
        const secure = location.protocol === "https:" ? "; secure" : "";
        document.cookie = `timezone=${zone}; path=/; max-age=31536000; samesite=lax${secure}`;
        const shown = document.querySelector("[data-zone]").dataset.zone;
        if (shown !== zone && told()) {
            location.reload();
        }
    }
}

// Keys, unless they are turned off.
{
    const use = document.getElementById("use-keys");
    use.checked = localStorage.getItem("transcript.keys") !== "off";
    use.addEventListener("change", () => localStorage.setItem("transcript.keys", use.checked ? "on" : "off"));

    const step = (by) => {
        const entries = [...document.querySelectorAll(".entries article")];
        const current = entries.indexOf(document.activeElement.closest(".entries article"));
        const next = current < 0 && by < 0 ? entries.length - 1 : current + by;
        entries[Math.min(Math.max(next, 0), entries.length - 1)]?.focus();
    };
    const follow = (rel) => document.querySelector(`.neighbours [rel=${rel}]`)?.click();
    const keys = {
        j: () => step(1),
        k: () => step(-1),
        n: () => follow("next"),
        p: () => follow("prev"),
    };

    document.addEventListener("keydown", (event) => {
        const writing = event.target.closest("input:not([type=checkbox]), textarea, select");
        if (use.checked && !writing && !event.ctrlKey && !event.altKey && !event.metaKey && keys[event.key]) {
            event.preventDefault();
            keys[event.key]();
        }
    });
}

// A link to a folded message opens it.
{
    const unfold = () => {
        const entry = /^#message-\d+$/.test(location.hash) && document.querySelector(location.hash);
        entry?.querySelector?.("details")?.setAttribute("open", "");
    };
    addEventListener("hashchange", unfold);
    unfold();
}
