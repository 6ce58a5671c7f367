"use strict";
(() => {
  const root = document.documentElement;
  const main = document.getElementById("page-main");
  const input = document.getElementById("page-search");
  const count = document.getElementById("page-count");
  const none = document.getElementById("page-none");
  const effects = [...document.querySelectorAll(".effects button")];
  const links = [...document.querySelectorAll("#page-index > li")];
  const cards = [...document.querySelectorAll("article.tool")];

  // The text of each card, once in lower case: a search is then a scan of strings, and touches only what changes.
  const entries = cards.map((card, at) => {
    const parts = [...card.querySelector(".about").children].filter((part) => !part.matches(".kept, h3"));
    const text = parts.map((part) => part.textContent).join("\n").toLowerCase();
    return { card, link: links[at], name: card.id.slice(5), effect: card.dataset.effect, text, shown: true };
  });
  let effect = "";

  const search = () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const entry of entries) {
      const matches = (!effect || entry.effect === effect) && words.every((word) => entry.text.includes(word));
      if (matches !== entry.shown) {
        entry.shown = matches;
        entry.card.hidden = entry.link.hidden = !matches;
      }
      if (matches) shown += 1;
    }
    none.hidden = shown > 0;
    const all = entries.length;
    count.textContent = shown === all ? `${all} ${all === 1 ? "tool" : "tools"}` : `${shown} of ${all} tools`;
  };
  const clear = () => {
    input.value = "";
    effect = "";
    for (const button of effects) button.setAttribute("aria-pressed", "false");
    search();
  };
  const best = () => {
    const word = input.value.trim().toLowerCase().replaceAll(" ", "_");
    const shown = entries.filter((entry) => entry.shown);
    const named = (matches) => shown.find((entry) => matches(entry.name.toLowerCase()));
    return named((name) => name === word) ?? named((name) => name.startsWith(word)) ?? named((name) => name.includes(word)) ?? shown[0];
  };

  // Cards that come near get their true height and their buttons, so the place of a target moves for some frames.
  let frames = 0;
  const settle = (target) => {
    frames = 20;
    const step = () => {
      if (frames === 0) return;
      frames -= 1;
      target.scrollIntoView();
      requestAnimationFrame(step);
    };
    step();
  };
  for (const moved of ["wheel", "touchmove", "keydown"]) addEventListener(moved, () => (frames = 0), { passive: true });

  // The focus leaves the index, which closes on a phone.
  const go = (card) => {
    location.hash = card.id;
    card.querySelector("h2 a").focus({ preventScroll: true });
    settle(card);
  };

  input.addEventListener("input", search);
  input.addEventListener("keydown", (event) => {
    if (event.key === "Escape") clear();
    const entry = event.key === "Enter" ? best() : undefined;
    if (entry) go(entry.card);
  });
  document.getElementById("page-index").addEventListener("click", (event) => {
    const link = event.target.closest("a");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    go(document.getElementById(link.hash.slice(1)));
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input")) return;
    event.preventDefault();
    input.focus();
    input.select();
  });
  for (const button of effects) {
    button.addEventListener("click", () => {
      effect = effect === button.dataset.effect ? "" : button.dataset.effect;
      for (const other of effects) other.setAttribute("aria-pressed", String(other.dataset.effect === effect));
      search();
    });
  }
  for (const button of document.querySelectorAll(".scopes button")) {
    button.addEventListener("click", () => {
      input.value = button.dataset.scope;
      search();
      input.focus();
    });
  }
  document.getElementById("page-clear").addEventListener("click", () => {
    clear();
    input.focus();
  });
  // A link leads to its tool even if the search has hidden the tool.
  const reveal = () => {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (target?.hidden) clear();
    if (target) settle(target);
  };
  addEventListener("hashchange", reveal);

  // Examples: one language is shown in all cards.
  const languages = [["cli", "CLI"], ["rpc", "JSON-RPC"], ["python", "Python"], ["typescript", "TypeScript"]];
  const tabs = [];
  const choose = (language) => {
    root.dataset.of = language;
    for (const tab of tabs) tab.setAttribute("aria-pressed", String(tab.dataset.tab === language));
  };
  const button = (text, className) => {
    const made = document.createElement("button");
    made.type = "button";
    made.textContent = text;
    if (className) made.className = className;
    return made;
  };
  const copy = async (pre, from) => {
    const text = pre.querySelector("code").textContent;
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const range = document.createRange();
      range.selectNodeContents(pre.querySelector("code"));
      getSelection().removeAllRanges();
      getSelection().addRange(range);
      if (!document.execCommand("copy")) return;
    }
    from.textContent = "Copied";
    setTimeout(() => (from.textContent = "Copy"), 1500);
  };
  const dress = (call) => {
    const bar = document.createElement("div");
    bar.className = "tabs";
    const pres = [...call.querySelectorAll("pre")];
    if (pres.length > 1) {
      bar.setAttribute("role", "group");
      bar.setAttribute("aria-label", "Example");
      for (const [language, label] of languages) {
        const tab = button(label);
        tab.dataset.tab = language;
        tab.setAttribute("aria-pressed", String(root.dataset.of === language));
        tab.addEventListener("click", () => {
          // Cards above change their height: the clicked one stays in its place.
          const before = tab.getBoundingClientRect().top;
          choose(language);
          scrollBy(0, tab.getBoundingClientRect().top - before);
        });
        tabs.push(tab);
        bar.append(tab);
      }
    } else {
      bar.append(Object.assign(document.createElement("span"), { textContent: pres[0].dataset.of }));
    }
    const copies = button("Copy", "copy");
    copies.addEventListener("click", () => copy(pres.find((pre) => pre.offsetParent) ?? pres[0], copies));
    bar.append(copies);
    call.prepend(bar);
    pres.forEach(colour);
  };

  // Colours of code: strings, keys, numbers and words become elements; the text stays the same.
  const token = /("(?:[^"\\\n]|\\.)*")(\s*:)?|'(?:[^'\\\n]|\\.)*'|(-?\b\d+(?:\.\d+)?(?:[eE][-+]?\d+)?\b)|\b(true|false|null|True|False|None|import|from|async|await|def|with|as|const|new|return)\b/g;
  const colour = (pre) => {
    if (["CLI", "Start"].includes(pre.dataset.of)) return;
    const code = pre.querySelector("code");
    const text = code.textContent;
    if (text.length > 20000) return;
    const parts = document.createDocumentFragment();
    let end = 0;
    for (const match of text.matchAll(token)) {
      const [whole, string, colon, number, word] = match;
      const shown = colon === undefined ? whole : string;
      parts.append(text.slice(end, match.index));
      const span = document.createElement("span");
      span.className = word ? "w" : number ? "n" : colon === undefined ? "s" : "k";
      span.textContent = shown;
      parts.append(span);
      end = match.index + shown.length;
    }
    parts.append(text.slice(end));
    code.replaceChildren(parts);
  };
  document.addEventListener("toggle", (event) => {
    const pre = event.target.open && event.target.closest(".code") ? event.target.querySelector("pre") : null;
    if (pre && !pre.dataset.lit) {
      pre.dataset.lit = "";
      colour(pre);
    }
  }, true);

  // Cards are dressed shortly before they are seen, and the index shows the one that is read.
  const near = new IntersectionObserver((seen) => {
    for (const { isIntersecting, target } of seen) {
      if (!isIntersecting) continue;
      near.unobserve(target);
      dress(target);
    }
  }, { rootMargin: "1200px" });
  const linkOf = new Map(entries.map(({ card, link }) => [card, link.firstElementChild]));
  const read = new IntersectionObserver((seen) => {
    for (const { isIntersecting, target } of seen) {
      const link = linkOf.get(target);
      if (isIntersecting) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
  }, { rootMargin: "-15% 0px -84% 0px" });
  root.classList.add("lit");
  choose("cli");
  for (const call of main.querySelectorAll(".call")) near.observe(call);
  for (const card of cards) read.observe(card);
  addEventListener("beforeprint", () => document.querySelectorAll(".call").forEach((call) => {
    if (!call.querySelector(".tabs")) call.querySelectorAll("pre").forEach(colour);
  }));
  search();
  reveal();
})();
