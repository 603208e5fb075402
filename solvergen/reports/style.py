"""How a page looks: one column, a math font, readable at 380 pixels and on paper."""

CSS = """
@font-face { font-family: "solvergen math"; src: url(data:font/woff;base64,@FONT@) format("woff") }
:root { --ink: #1a1a1a; --soft: #5b5f66; --rule: #d9dce1; --accent: #0b5394; --wash: #f5f7fa }
* { box-sizing: border-box }
html { -webkit-text-size-adjust: 100% }
body { margin: 0 auto; max-width: 50rem; padding: 2.2rem 1.2rem 5rem; color: var(--ink);
  background: #fff; overflow-wrap: break-word; font: 1.02rem/1.55 Charter, "Bitstream Charter",
  "Sitka Text", Cambria, Georgia, "DejaVu Serif", serif }
math { font-family: "solvergen math", "Latin Modern Math", "STIX Two Math", "Cambria Math", math;
  font-size: 1.06em }
h1 { font-size: 1.75rem; line-height: 1.2; margin: 0 0 .4rem; font-weight: 600 }
h2 { font-size: 1.22rem; margin: 2.6rem 0 .6rem; padding-top: .7rem; font-weight: 600;
  border-top: 1px solid var(--rule) }
h2 .number { color: var(--soft); font-weight: 400; margin-right: .55em }
p { margin: .55rem 0 }
.lead { color: var(--soft); margin-top: 0 }
.scroll { overflow-x: auto; overflow-y: hidden; padding: .15rem 0 }
.box { background: var(--wash); border-left: 3px solid var(--accent); padding: .5rem 1rem;
  margin: 1rem 0 }
table { border-collapse: collapse; margin: .8rem 0 }
table.equations { width: 100% }
table.equations td { padding: .28rem .2rem; vertical-align: middle }
table.equations td.left { text-align: right; white-space: nowrap; width: 1% }
table.equations td.sign { width: 1%; padding: 0 .35rem }
table.equations td.right { max-width: 0; width: 99% }
table.equations td.note { color: var(--soft); font-size: .8rem; text-align: right; width: 1%;
  white-space: nowrap }
table.equations td.below { text-align: left; padding-top: 0; white-space: normal }
table.cells { font-size: .92rem }
table.cells th { font-weight: 600; text-align: left; border-bottom: 1.5px solid #555;
  padding: .25rem .9rem .25rem 0; vertical-align: bottom }
table.cells td { border-bottom: 1px solid var(--rule); padding: .32rem .9rem .32rem 0;
  vertical-align: middle }
figure { margin: 1.1rem 0 }
figure img { width: 100%; height: auto; display: block }
figure.half { display: inline-block; width: 49%; vertical-align: top }
figcaption { font-size: .86rem; color: var(--soft); margin-top: .3rem }
pre { background: var(--wash); padding: .8rem 1rem; overflow-x: auto; white-space: pre;
  font: .8rem/1.45 ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1.1rem; margin: 1rem 0;
  font-size: .95rem }
dt { color: var(--soft) }
dd { margin: 0; min-width: 0 }
nav { font-size: .9rem; margin: 1rem 0 }
nav a { color: var(--accent); text-decoration: none; margin-right: 1.1em; white-space: nowrap }
@media (max-width: 520px) {
  body { padding: 1.2rem .8rem 3rem; font-size: .98rem }
  h1 { font-size: 1.4rem }
  math { font-size: 1em }
  nav a { white-space: normal }
  dl { grid-template-columns: 1fr; gap: 0 }
  dd { margin-bottom: .45rem }
  .box { padding: .4rem .6rem }
  figure.half { width: 100% }
  figure:not(.half) img { min-width: 34rem }
  table.equations, table.equations tbody { display: block }
  table.equations tr { display: flex; flex-wrap: wrap; align-items: center; margin: .4rem 0 }
  table.equations td.left, table.equations td.sign { width: auto }
  table.equations td.right { flex: 1 1 0; min-width: 9rem; max-width: none; width: auto }
  table.equations td.note { flex-basis: 100%; white-space: normal; text-align: left; padding: 0 }
}
@media print {
  @page { margin: 18mm 16mm }
  body { max-width: none; padding: 0; font-size: 10.2pt }
  h2 { break-after: avoid }
  figure, .box, table.cells tr, table.equations tr { break-inside: avoid }
  nav { display: none }
  .scroll, pre { overflow: visible }
  pre { white-space: pre-wrap }
}
"""
