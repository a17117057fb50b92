// Names for what the theme leaves without one, and the keyboard's way to code that is wider than the page.
document.querySelector(".md-search").setAttribute("aria-label", "Search");
const name = () => {
  document.querySelectorAll(".md-code__nav").forEach((bar, i) => bar.setAttribute("aria-label", `Code block ${i + 1}`));
  document.querySelectorAll("pre > code, .md-typeset__scrollwrap, math[display]").forEach((block) => (block.tabIndex = 0));
};
name();
new MutationObserver(name).observe(document.body, { childList: true, subtree: true });
