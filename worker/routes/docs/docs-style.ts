/** How the documentation's page looks: a file of its own, since the page's policy allows no other. */
export const DOCS_STYLE = `
:root {
  color-scheme: light dark;
  --ground: light-dark(#ffffff, #14181d);
  --panel: light-dark(#f4f6f8, #1d232a);
  --line: light-dark(#d5dbe1, #343d47);
  --ink: light-dark(#1b2229, #e3e8ed);
  --faint: light-dark(#55616d, #a3afbb);
  --link: light-dark(#0b5cad, #7cb8f5);
}
* { box-sizing: border-box; }
body {
  margin: 0;
  background: var(--ground);
  color: var(--ink);
  font: 1rem/1.5 system-ui, sans-serif;
}
a { color: var(--link); }
code, pre { font: 0.875rem/1.5 ui-monospace, monospace; overflow-wrap: anywhere; }
.skip { position: absolute; left: -99rem; }
.skip:focus { left: 1rem; top: 1rem; background: var(--ground); padding: 0.5rem; }
.frame { display: grid; grid-template-columns: 17rem minmax(0, 1fr); }
.frame > nav {
  position: sticky;
  top: 0;
  height: 100vh;
  overflow-y: auto;
  padding: 1rem;
  background: var(--panel);
  border-right: 1px solid var(--line);
  font-size: 0.875rem;
}
nav ul { list-style: none; margin: 0 0 1rem; padding: 0; }
nav li { padding: 0.125rem 0; }
nav a { text-decoration: none; }
nav a:hover, nav a:focus { text-decoration: underline; }
main { padding: 1rem 2rem 4rem; max-width: 62rem; }
h2 { margin-top: 3rem; border-bottom: 1px solid var(--line); }
h4 { margin: 1.25rem 0 0.25rem; font-size: 0.9375rem; }
article { margin: 1.5rem 0; padding: 0.25rem 1.25rem 1rem; border: 1px solid var(--line); border-radius: 0.375rem; }
article:target { outline: 2px solid var(--link); }
article h3 { margin: 0.75rem 0 0; }
.call { margin: 0.25rem 0; }
.method {
  display: inline-block;
  min-width: 4rem;
  padding: 0 0.375rem;
  border: 1px solid currentColor;
  border-radius: 0.25rem;
  font-weight: 600;
  text-align: center;
}
.faint { color: var(--faint); }
pre { margin: 0; padding: 0.75rem; background: var(--panel); border-radius: 0.25rem; white-space: pre-wrap; }
table { width: 100%; border-collapse: collapse; font-size: 0.9375rem; }
th, td { padding: 0.375rem 0.75rem 0.375rem 0; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
th[scope="row"] { min-width: 4.5rem; font-weight: normal; }
th:last-child, td:last-child { width: 60%; }
td p { margin: 0 0 0.25rem; }
@media (max-width: 50rem) {
  .frame { display: block; }
  .frame > nav { position: static; height: auto; border-right: 0; }
  main { padding: 1rem; }
  th:last-child, td:last-child { width: auto; }
}
`;
