"use strict";
// Keeps the secret that came with the link where only this page's own origin, port and all, can read it.
localStorage.setItem("hand", document.querySelector('meta[name="aurore-hand"]').content);
